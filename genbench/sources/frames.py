"""Every frame of images with several frames: TIFF stacks and animations."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from genbench.array_types import Array, Int64
from genbench.errors import InputError
from genbench.files.fingerprints import content_hash
from genbench.plugs import registry
from genbench.sources.decoding import Unreadable, frame_count, open_raster, readable, to_rgb
from genbench.sources.file_names import is_path_with_suffix, printable
from genbench.sources.folder import Files
from genbench.sources.image_formats import SEVERAL_FRAMES
from genbench.sources.threaded import EncodedImages, ThreadedSource

MOST_FRAMES = 1 << 24
"""Largest number of frames, against files that claim very many."""

_REDUCED = 254, 1
"""The tag of a TIFF page and the bit of its value that say that the page is a smaller copy of another."""

_GIF_FRAME = bytes(256) + b",\0\0\0\0\1\0\1\0\0\2\2\x4c\1\0;"
"""A frame of one pixel, after zeros that end any block of data that is cut short."""


class Frames(ThreadedSource):
    """Every frame of the images in a file, folder or archive is a sample: TIFF stacks, GIF, WebP, APNG and AVIF.

    The frames of an image follow one another, as they are shown: a frame that changes a part of the one before is shown
    whole. Pages of a TIFF that are smaller copies of others are left out. The class of a frame is that of its image.
    Damage that hides how many frames follow counts as one corrupt frame. Without this source, the first frame of each
    image is its only sample, and the others are counted. Raises InputError for a path that holds no encoded images, and
    for a file with a single frame.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        file = Path(path).expanduser()
        # a single file, or what a folder or archive holds
        single = file.is_file() and self.accepts(file)
        opened = Files(printable(path), [file.name], root=file.parent) if single else None
        source = opened or registry.open_accepted(("sources",), file)
        if not isinstance(source, EncodedImages):
            raise InputError(f"{printable(path)} holds no encoded images; give an image, a folder or an archive.")
        self.name, self._images, self.workers = source.name, source, 1
        # the image and the number of the frame of each row
        rows, copies, self._uncounted = _find_frames(source)
        if single and len(rows) == 1 and not self._uncounted:
            raise InputError(f"{self.name} is an image of one frame; give a folder, or an image with several frames.")
        self._image_of, self._frame_of = rows.T
        self.labels = None if source.labels is None else source.labels[self._image_of]
        self.class_names = getattr(source, "class_names", None)
        self.notes: tuple[str, ...] = getattr(source, "notes", ())
        self.left_out = dict(getattr(source, "left_out", {})) | ({"smaller copies of pages": copies} if copies else {})
        self._lock = threading.Lock()
        self._open: tuple[int, Image.Image] | None = None

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is the path of an image that may have several frames."""
        return any(is_path_with_suffix(subject, suffix) for suffix in SEVERAL_FRAMES)

    def __len__(self) -> int:
        return len(self._image_of)

    def place(self, row: int) -> str:
        """Return the name of the image, and the number of the frame if it is not the first one."""
        name, frame = self._images.place(int(self._image_of[row])), int(self._frame_of[row])
        return f"{name} frame {frame}" if frame else name

    def load(self, row: int) -> tuple[Array, int | None]:
        """Return a frame and the class of its image. Raises Unreadable if it is corrupt."""
        image, frame = int(self._image_of[row]), int(self._frame_of[row])
        label = None if self.labels is None else int(self.labels[row])
        # an image stays open, because a frame of an animation needs those before it
        with self._lock, readable():
            if self._open is None or self._open[0] != image:
                self._open = image, _opened_image(self._images.read(image), self.max_pixels)
            try:
                self._open[1].seek(frame)
                shown = to_rgb(self._open[1], max_pixels=self.max_pixels)
                # the limit of pixels may have been raised since the frames were counted
                if image in self._uncounted and frame_count(self._open[1]) > 1:
                    raise Unreadable("its frames cannot be counted; save them as single images")
                return shown, label
            except Exception as error:
                self._open = None  # Pillow cannot go on after an error
                if isinstance(error, EOFError):
                    raise Unreadable("cut short: the end of the file is missing") from error
                raise

    def digest(self, start: int, stop: int) -> str:
        """Return a hash of the bytes of the images of these frames, and of the numbers of the frames."""
        if start == stop:
            return content_hash(_FRAME_RULE)
        # the images of consecutive frames are consecutive
        first, last = int(self._image_of[start]), int(self._image_of[stop - 1])
        hashes = self._images.content_hashes(first, last + 1)
        rows = zip(self._image_of[start:stop].tolist(), self._frame_of[start:stop].tolist(), strict=True)
        return content_hash(_FRAME_RULE, *(f"{hashes[image - first]} {frame}\n".encode() for image, frame in rows))

    def unchanged(self) -> bool:
        """Return whether the files of the last ``digest`` surely stayed the same since."""
        return self._images.unchanged()


_FRAME_RULE = b"frames of encoded images, rule 1\n"
"""Part of every hash. It must change with the rule of ``Frames``, as that of the decoder."""


def _find_frames(source: EncodedImages) -> tuple[Int64, int, set[int]]:
    """Return int64 [N, 2], the image and the number of each frame, how many pages are copies, and the uncounted images.

    An image whose first frame cannot be decoded is uncounted. It has one row.
    """
    rows: list[tuple[int, int]] = []
    copies, uncounted = 0, set()
    for image in range(len(source)):
        frames = _frames_of(source, image)
        if frames is None:
            rows.append((image, 0))  # loading it will say why it cannot be decoded
            uncounted.add(image)
            continue
        rows += [(image, number) for number, copied in enumerate(frames) if not copied]
        copies += sum(frames)
        if len(rows) > MOST_FRAMES:
            raise InputError(f"{source.name} has more than {MOST_FRAMES:,} frames; give fewer images.")
    return np.array(rows, np.int64), copies, uncounted


def _frames_of(source: EncodedImages, image: int) -> list[bool] | None:
    """Return for each frame whether it is a smaller copy of another; None if the first one cannot be decoded.

    If damage hides how many frames there are, the last of them is the first one that cannot be decoded.
    """
    try:
        data = source.read(image)
        frames, damaged = _count_frames(data)
        if damaged and not frames:
            return None
        with readable(data), _opened_image(data, None) as opened:
            return _copied_pages(opened, frames) + [False] * damaged
    except Unreadable:
        return None


def _count_frames(data: bytes) -> tuple[int, bool]:
    """Return the number of frames before damage that hides how many follow, and whether there is such damage."""
    with suppress(Exception), _opened_image(data, None) as opened:  # for damaged bytes Pillow raises many types
        frames = frame_count(opened)
        # for Pillow, the end of the bytes ends a GIF, too; a frame behind the end of a whole one is not counted
        if opened.format != "GIF" or frame_count(_opened_image(data + _GIF_FRAME, None)) == frames:
            return frames, False
    with _opened_image(data, None) as opened:
        frames = 0
        while True:
            try:
                opened.seek(frames)
                to_rgb(opened)
            except Exception:
                return frames, True
            frames += 1


def _copied_pages(opened: Image.Image, frames: int) -> list[bool]:
    """Return for each of the first ``frames`` whether it is a smaller copy of another."""
    if opened.format != "TIFF":
        return [False] * frames
    # each page of a TIFF has its own tags
    tag, bit = _REDUCED
    copied = []
    for number in range(frames):
        opened.seek(number)
        copied.append(bool(int(getattr(opened, "tag_v2", {}).get(tag, 0)) & bit))
    return copied if not all(copied) else [False] * frames


def _opened_image(data: bytes, max_pixels: int | None) -> Image.Image:
    if not data:
        raise Unreadable("empty file")
    with readable(data):
        return open_raster(data, max_pixels=max_pixels)
