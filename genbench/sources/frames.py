"""Every frame of images with several frames: TIFF stacks and animations."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from genbench.array_types import Int64
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


class Frames(ThreadedSource):
    """Every frame of the images in a file, folder or archive is a sample: TIFF stacks, GIF, WebP, APNG and AVIF.

    The frames of an image follow one another, as they are shown: a frame that changes a part of the one before is shown
    whole. Pages of a TIFF that are smaller copies of others are left out. The class of a frame is that of its image.
    Without this source, the first frame of each image is its only sample, and the others are counted. Raises
    InputError for a path that holds no encoded images, and for a file with a single frame.
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
        rows, copies = _find_frames(source)
        if single and len(rows) == 1:
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

    def load(self, row: int) -> tuple[torch.Tensor, int | None]:
        """Return a frame and the class of its image. Raises Unreadable if it is corrupt."""
        image, frame = int(self._image_of[row]), int(self._frame_of[row])
        label = None if self.labels is None else int(self.labels[row])
        # an image stays open, because a frame of an animation needs those before it
        with self._lock, readable():
            if self._open is None or self._open[0] != image:
                self._open = image, _opened_image(self._images, image, self.max_pixels)
            try:
                self._open[1].seek(frame)
                return to_rgb(self._open[1], max_pixels=self.max_pixels), label
            except Exception:
                self._open = None  # Pillow cannot go on after an error
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


def _find_frames(source: EncodedImages) -> tuple[Int64, int]:
    """Return int64 [N, 2], the image and the number of each frame, and how many pages are smaller copies."""
    rows: list[tuple[int, int]] = []
    copies = 0
    for image in range(len(source)):
        frames = _frames_of(source, image)
        if frames is None:
            rows.append((image, 0))  # loading it will say why it cannot be decoded
            continue
        rows += [(image, number) for number, copied in enumerate(frames) if not copied]
        copies += sum(frames)
        if len(rows) > MOST_FRAMES:
            raise InputError(f"{source.name} has more than {MOST_FRAMES:,} frames; give fewer images.")
    return np.array(rows, np.int64), copies


def _frames_of(source: EncodedImages, image: int) -> list[bool] | None:
    """Return for each frame whether it is a smaller copy of another; None if the image cannot be opened."""
    try:
        with readable(), _opened_image(source, image, None) as opened:
            count = frame_count(opened)
            if opened.format != "TIFF":
                return [False] * count
            # each page of a TIFF has its own tags
            tag, bit = _REDUCED
            copied = []
            for number in range(count):
                opened.seek(number)
                copied.append(bool(int(getattr(opened, "tag_v2", {}).get(tag, 0)) & bit))
            return copied if not all(copied) else [False] * count
    except Unreadable:
        return None


def _opened_image(source: EncodedImages, image: int, max_pixels: int | None) -> Image.Image:
    data = source.read(image)
    if not data:
        raise Unreadable("empty file")
    with readable(data):
        return open_raster(data, max_pixels=max_pixels)
