"""Decode one image: from encoded bytes to uint8 RGB, by the same rule for every source."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.sources.image_formats import PILLOW_FORMATS


class Unreadable(InputError):
    """An image that cannot be decoded; the message is only the reason, without the name of the image."""


class Decoded(NamedTuple):
    """A decoded image."""

    data: torch.Tensor
    """uint8 [3, H, W], RGB."""
    further_frames: int
    """Number of frames or pages after the first one, which are not decoded."""


def decode(data: bytes) -> torch.Tensor:
    """Return an encoded image as uint8 [3, H, W], RGB; see ``decode_first_frame``."""
    return decode_first_frame(data).data


def open_raster(data: bytes) -> Image.Image:
    """Open an encoded image with Pillow, if it has one of the formats that are read. Raises Pillow's errors.

    The name of a file does not matter: PostScript in a file ``x.png`` is not recognised, so no program is started.
    """
    return Image.open(io.BytesIO(data), formats=PILLOW_FORMATS)


def decode_first_frame(data: bytes) -> Decoded:
    """Return an encoded image and the number of its further frames.

    The conversion is Pillow's ``convert("RGB")``: gray is replicated, a palette is expanded, alpha is dropped, CMYK is
    converted. 16-bit gray is scaled by 1/257, EXIF orientation is not applied, and only the first frame of an animation
    is decoded. Raises Unreadable if the bytes cannot be decoded.
    """
    if not data:
        raise Unreadable("empty file")
    try:
        # decode, and turn every error into a short reason
        with open_raster(data) as image:
            return Decoded(to_rgb(image), _further_frames(image))
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(_describe_non_image(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(f"decompression bomb: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels") from None
    except Exception as error:  # for damaged bytes Pillow raises many types, from SyntaxError to struct.error
        reason = str(error) or type(error).__name__
        raise Unreadable(f"cut short: {reason}" if "truncated" in reason.lower() else f"damaged: {reason}") from None


def _further_frames(image: Image.Image) -> int:
    # the further images in a JPEG are previews and gain maps of the same picture
    if image.format not in ("AVIF", "GIF", "PNG", "TIFF", "WEBP"):
        return 0
    try:
        return int(getattr(image, "n_frames", 1)) - 1
    except Exception:  # damage after the first frame, which can be used all the same
        return 0


def to_rgb(image: Image.Image) -> torch.Tensor:
    """Return a Pillow image as uint8 [3, H, W], RGB, by the rule of ``decode``. Raises Unreadable or Pillow's error."""
    # refuse decompression bombs: Pillow only warns about those below twice its limit
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Unreadable(f"decompression bomb: {image.width} x {image.height} pixels, more than {limit:,}")
    image = _without_rotation(image)
    # modes that convert("RGB") would clip
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scale_gray16(np.asarray(image))
    if image.mode == "F":
        raise Unreadable("holds floats, whose range is not guessed; save it with 8 bits, or give an .npy")
    # alpha is dropped; without this, Pillow would warn about the transparency of palettes
    if "transparency" in image.info:
        image = image.copy()  # the caller's image must not change
        del image.info["transparency"]
    rgb = np.array(image.convert("RGB"))  # [H, W, 3]
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))


def _without_rotation(image: Image.Image) -> Image.Image:
    """Load an image and undo the EXIF rotation, which Pillow applies to TIFF files only."""
    orientation = image.getexif().get(ExifTags.Base.Orientation) if image.format == "TIFF" else None
    image.load()
    # Pillow removes the tag when it rotates the image
    if orientation in _INVERSE_ROTATION and ExifTags.Base.Orientation not in image.getexif():
        return image.transpose(_INVERSE_ROTATION[orientation])
    return image


_INVERSE_ROTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""Maps an EXIF orientation to the operation that undoes it."""


def _scale_gray16(values: Array) -> torch.Tensor:
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise Unreadable(f"holds 32-bit values ({wide.min()} to {wide.max()}); expected 16 bits at most")
    # round(v / 257) in integers: 257 is odd, so there are no ties
    gray = ((wide + 128) // 257).astype(np.uint8)
    return torch.from_numpy(np.repeat(gray[None], 3, axis=0))


def _describe_non_image(data: bytes) -> str:
    # the first bytes are enough to recognise an HTML page or an empty block
    start = data[:64]
    if all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        return "text, not an image"
    return "not an image" if any(start) else "zeros, not an image"
