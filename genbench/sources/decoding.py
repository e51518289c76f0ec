"""Decode one image: from encoded bytes to uint8 RGB, by the same rule for every source."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.sources.image_formats import PILLOW_FORMATS, SEVERAL_FRAMES


class Unreadable(InputError):
    """An image that cannot be decoded; the message is only the reason, without the name of the image."""


class Decoded(NamedTuple):
    """A decoded image."""

    data: Array
    """uint8 [3, H, W], RGB."""
    further_frames: int
    """Number of frames or pages after the first one, which are not decoded; 0 if damage hides how many there are."""


class TooLarge(NamedTuple):
    """Stands for an image that was not decoded because it needs much memory."""

    memory: int
    """Bytes that are needed to decode it."""


MEMORY_PER_PIXEL = 7
"""Bytes per pixel while an image is decoded: 4 in Pillow and 3 in the result."""

STRIP_PIXELS = 1 << 22
"""Number of pixels that are converted at a time, so that a large image needs little memory beside the result."""


def decode(data: bytes) -> Array:
    """Return an encoded image as uint8 [3, H, W], RGB.

    The conversion is Pillow's ``convert("RGB")``: gray is replicated, a palette is expanded, alpha is dropped, CMYK is
    converted. 16-bit gray is scaled by 1/257, EXIF orientation is not applied, and only the first frame of an animation
    is decoded. Raises Unreadable if the bytes cannot be decoded.
    """
    decoded = decode_within(data)
    assert isinstance(decoded, Decoded)
    return decoded.data


def decode_within(data: bytes, *, max_pixels: int | None = None, memory: int | None = None) -> Decoded | TooLarge:
    """Return an encoded image by the rule of ``decode``, or TooLarge if that needs more than ``memory`` bytes.

    Raises Unreadable for more than ``max_pixels`` pixels (None: Pillow's limit), and if the bytes cannot be decoded.
    """
    if not data:
        raise Unreadable("empty file")
    with readable(data), open_raster(data, max_pixels=max_pixels) as image:
        needed = len(data) + MEMORY_PER_PIXEL * image.width * image.height
        if memory is not None and needed > memory:
            return TooLarge(needed)
        first = to_rgb(image, max_pixels=max_pixels)
        try:
            return Decoded(first, frame_count(image) - 1)
        except Exception:  # damage after the first frame, which can be used all the same
            return Decoded(first, 0)


@contextmanager
def readable(data: bytes = b"") -> Iterator[None]:
    """Turn every error of decoding into Unreadable, with a short reason. ``data`` are the bytes that are opened."""
    try:
        yield
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(_describe_non_image(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb_error("it has", 2 * (Image.MAX_IMAGE_PIXELS or 0)) from None
    except Exception as error:  # for damaged bytes Pillow raises many types, from SyntaxError to struct.error
        reason = str(error) or type(error).__name__
        raise Unreadable(f"cut short: {reason}" if "truncated" in reason.lower() else f"damaged: {reason}") from None


def open_raster(data: bytes, *, max_pixels: int | None = None) -> Image.Image:
    """Open an encoded image with Pillow, if it has one of the formats that are read, without decoding it.

    The name of a file does not matter: PostScript in a file ``x.png`` is not recognised, so no program is started.
    Raises Pillow's errors, and Unreadable for more than ``max_pixels`` pixels. ``max_pixels`` also raises Pillow's own
    limit for this process, because Pillow has no other way to open larger images.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if max_pixels is not None and limit is not None and max_pixels > limit:
        Image.MAX_IMAGE_PIXELS = max_pixels
    image = Image.open(io.BytesIO(data), formats=PILLOW_FORMATS)
    _refuse_bomb(image, max_pixels)
    return image


def _refuse_bomb(image: Image.Image, max_pixels: int | None) -> None:
    # Pillow refuses only twice its limit, and warns about less
    limit = Image.MAX_IMAGE_PIXELS if max_pixels is None else max_pixels
    if limit is not None and image.width * image.height > limit:
        raise _bomb_error(f"{image.width} x {image.height} pixels,", limit)


def _bomb_error(size: str, limit: int) -> Unreadable:
    return Unreadable(
        f"decompression bomb: {size} more than {limit:,} pixels; if it is a real image, raise the limit with "
        "--max-pixels"
    )


def frame_count(image: Image.Image) -> int:
    """Return the number of frames or pages of an image. Raises Pillow's error if damage hides some of them."""
    # the further images in a JPEG are previews and gain maps of the same picture
    return int(getattr(image, "n_frames", 1)) if image.format in SEVERAL_FRAMES.values() else 1


def to_rgb(image: Image.Image, *, max_pixels: int | None = None) -> Array:
    """Return a Pillow image as uint8 [3, H, W], RGB, by the rule of ``decode``. Raises Unreadable or Pillow's error."""
    _refuse_bomb(image, max_pixels)
    image = _without_rotation(image)
    if image.mode == "F":
        raise Unreadable("holds floats, whose range is not guessed; save it with 8 bits, or give an .npy")
    # convert some rows at a time; an image of usual size is one strip
    rgb = np.empty((3, image.height, image.width), np.uint8)
    step = max(1, STRIP_PIXELS // max(1, image.width))
    for top in range(0, image.height, step):
        whole = step >= image.height
        strip = image if whole else image.crop((0, top, image.width, min(top + step, image.height)))
        rgb[:, top : top + step] = _strip_to_rgb(strip)
    return rgb


def _strip_to_rgb(image: Image.Image) -> Array:
    """Return uint8 [H, W], gray, or [3, H, W]."""
    # modes that convert("RGB") would clip
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scale_gray16(np.asarray(image))
    # alpha is dropped; without this, Pillow would warn about the transparency of palettes
    if "transparency" in image.info:
        image = image.copy()  # the caller's image must not change
        del image.info["transparency"]
    # convert() would copy an image that is RGB already
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB")).transpose(2, 0, 1)


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


def _scale_gray16(values: Array) -> Array:
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise Unreadable(f"holds 32-bit values ({wide.min()} to {wide.max()}); expected 16 bits at most")
    # round(v / 257) in integers: 257 is odd, so there are no ties
    return ((wide + 128) // 257).astype(np.uint8)


def _describe_non_image(data: bytes) -> str:
    # the first bytes are enough to recognise an HTML page or an empty block
    start = data[:64]
    if all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        return "text, not an image"
    return "not an image" if any(start) else "zeros, not an image"
