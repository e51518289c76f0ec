"""From one image's bytes to uint8 RGB by one rule, and many images in threads beside whoever uses them, in order."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError

from genbench.arrays import Array
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart, content_hash, cached_hashes
from genbench.plugs.contracts import Batch
from genbench.sources.windows import windows

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""What counts as an image in a folder or an archive, in lower case."""

AHEAD = 2
"""How many batches are decoded ahead of the one in use: with it, all that is held in memory."""

NAMED = 50
"""How many corrupt files an error names before it only counts."""


class Unreadable(InputError):
    """One image that cannot be decoded; the message is the reason alone, without the image's name."""


def decode(data: bytes) -> torch.Tensor:
    """Return an encoded image as uint8 [3, H, W], RGB.

    Pillow's ``convert("RGB")`` decides: gray is replicated, a palette expanded, alpha dropped, CMYK converted; 16-bit
    gray is scaled by 1/257; EXIF orientation is not applied; of an animated file the first frame counts. Raises
    Unreadable.
    """
    if not data:
        raise Unreadable("empty file")
    try:
        with Image.open(io.BytesIO(data)) as image:
            return pixels(image)
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(_what_else(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(f"decompression bomb: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels") from None
    except Exception as error:  # on damaged bytes Pillow raises nearly anything, from SyntaxError to struct.error
        reason = str(error) or type(error).__name__
        raise Unreadable(f"cut short: {reason}" if "truncated" in reason.lower() else f"damaged: {reason}") from None


def pixels(image: Image.Image) -> torch.Tensor:
    """Return a Pillow image as uint8 [3, H, W], RGB, by the rule of ``decode``. Raises Unreadable or Pillow's error."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Unreadable(f"decompression bomb: {image.width} x {image.height} pixels, more than {limit:,}")
    image = _as_stored(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _gray16(np.asarray(image))
    if image.mode == "F":
        raise Unreadable("holds floats, whose range is not guessed; save it with 8 bits, or give an .npy")
    if "transparency" in image.info:  # alpha is dropped; left there, Pillow would warn about palettes
        image = image.copy()  # the caller's stays as it is
        del image.info["transparency"]
    rgb = np.array(image.convert("RGB"))  # [H, W, 3]
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))


def _as_stored(image: Image.Image) -> Image.Image:
    """Load an image and undo the EXIF rotation that Pillow applies to TIFF files alone."""
    before = image.getexif().get(ExifTags.Base.Orientation) if image.format == "TIFF" else None
    image.load()
    if before in _BACK and ExifTags.Base.Orientation not in image.getexif():
        return image.transpose(_BACK[before])
    return image


_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation to what undoes it."""


def _gray16(values: Array) -> torch.Tensor:
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise Unreadable(f"holds 32-bit values ({wide.min()} to {wide.max()}); wanted 16 bits at most")
    gray = ((wide + 128) // 257).astype(np.uint8)  # round(v / 257): 257 is odd, so there are no ties
    return torch.from_numpy(np.repeat(gray[None], 3, axis=0))


def _what_else(data: bytes) -> str:
    start = data[:64]
    if all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        return "text, not an image"
    return "not an image" if any(start) else "zeros, not an image"


class ThreadedSource(ABC):
    """A source whose rows are made one by one, in threads, a few batches ahead and in order."""

    name: str
    labels: Array | None = None
    """int64 [N], the class of each row, where it is known beforehand."""
    skip_corrupt: bool = False
    """Leave out what cannot be decoded instead of stopping."""
    workers: int | None = None
    """Threads; None means one a processor, at most 8."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def place(self, row: int) -> str:
        """Return what a person calls that row: its path."""

    @abstractmethod
    def load(self, row: int) -> tuple[torch.Tensor, int | None]:
        """Return uint8 [3, H, W] (or float32 [D]) and the class of a row. Raises Unreadable where it is corrupt."""

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield rows ``start`` to ``stop`` in order, at most ``size`` at a time.

        The first corrupt row stops it: then all rows to the end of the source are looked at, and InputError names all
        that are corrupt. With ``skip_corrupt`` they are missing from Batch.index instead.
        """
        return self._batches(size, list(windows(self.name, len(self), size, start, stop)))

    def _batches(self, size: int, wanted: list[range]) -> Iterator[Batch]:
        failed: list[tuple[int, str]] = []
        for rows, loaded in self._loaded(wanted):
            failed += _failures(rows, loaded)
            if failed and not self.skip_corrupt:
                rest = windows(self.name, len(self), size, rows.stop, None)
                for later, others in self._loaded(rest, keep=False):
                    failed += _failures(later, others)
                raise self._corrupt(failed)
            batch = _batch(rows, loaded)
            if batch is not None:
                yield batch

    def _loaded(self, wanted: Iterable[range], *, keep: bool = True) -> Iterator[tuple[range, list[_Loaded]]]:
        """Load windows of rows in threads; ``keep=False`` drops what could be loaded, to find what cannot."""
        workers = self.workers or min(8, os.cpu_count() or 1)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="genbench-decode")
        try:
            ahead: deque[tuple[range, list[Future[list[_Loaded]]]]] = deque()
            for rows in wanted:
                # interleaved shares: a thread that meets large images does not hold up a whole stretch
                ahead.append((rows, [pool.submit(self._share, rows[at::workers], keep) for at in range(workers)]))
                if len(ahead) > AHEAD:
                    yield _gathered(*ahead.popleft())
            while ahead:
                yield _gathered(*ahead.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _share(self, rows: range, keep: bool) -> list[_Loaded]:
        loaded = map(self._tried, rows)
        return [found if keep or isinstance(found, Unreadable) else None for found in loaded]

    def _tried(self, row: int) -> _Loaded:
        try:
            return self.load(row)
        except Unreadable as error:
            return error

    def _corrupt(self, failed: list[tuple[int, str]]) -> InputError:
        named = ", ".join(f"{self.place(row)} ({reason})" for row, reason in failed[:NAMED])
        more = f" and {len(failed) - NAMED:,} more" if len(failed) > NAMED else ""
        which = "1 image" if len(failed) == 1 else f"{len(failed):,} images"
        return InputError(
            f"{self.name}: {which} of {len(self):,} cannot be decoded: {named}{more}; mend or remove "
            f"{'it' if len(failed) == 1 else 'them'}, or leave out what is corrupt with --skip-corrupt."
        )


_Loaded = tuple[torch.Tensor, "int | None"] | Unreadable | None


def _gathered(rows: range, shares: list[Future[list[_Loaded]]]) -> tuple[range, list[_Loaded]]:
    loaded: list[_Loaded] = [None] * len(rows)
    for at, share in enumerate(shares):
        loaded[at :: len(shares)] = share.result()
    return rows, loaded


def _failures(rows: range, loaded: list[_Loaded]) -> list[tuple[int, str]]:
    return [(row, str(found)) for row, found in zip(rows, loaded, strict=True) if isinstance(found, Unreadable)]


def _batch(rows: range, loaded: list[_Loaded]) -> Batch | None:
    kept = [(row, *found) for row, found in zip(rows, loaded, strict=True) if isinstance(found, tuple)]
    if not kept:
        return None
    data = [image for _, image, _ in kept]
    labels = [label for _, _, label in kept if label is not None]
    return Batch(
        torch.tensor([row for row, _, _ in kept]),
        torch.stack(data) if len({image.shape for image in data}) == 1 else data,
        torch.tensor(labels) if len(labels) == len(kept) else None,
    )


class EncodedImages(ThreadedSource):
    """Rows that are encoded images, in files or in an archive."""

    @abstractmethod
    def read(self, row: int) -> bytes:
        """Return the bytes of one image. Raises Unreadable."""

    @abstractmethod
    def part(self, row: int) -> FilePart:
        """Return where these bytes lie, so that their hash can be cached_hashes."""

    def load(self, row: int) -> tuple[torch.Tensor, int | None]:
        """Decode one image."""
        return decode(self.read(row)), None if self.labels is None else int(self.labels[row])

    def digest(self, start: int, stop: int) -> str:
        """Return a hash of the images' bytes in their order, whatever they are called; nothing is decoded.

        What has not changed on disk since it was last hashed is not read again.
        """
        hashes = cached_hashes([self.part(row) for row in range(start, stop)], self._hash(start), workers=self.workers)
        return content_hash(_RULE, *((known or "unreadable").encode() for known in hashes))

    def _hash(self, start: int) -> Callable[[int], str | None]:
        def hash_row(at: int) -> str | None:
            try:
                return content_hash(self.read(start + at))
            except Unreadable:
                return None

        return hash_row


_RULE = b"encoded images, rule 1 of decode\n"
"""Changes with the rule of ``decode``, so that features of images decoded otherwise are not taken for the same."""


def is_hidden(parts: Iterable[str]) -> bool:
    """Whether a path is one that people do not see: ``.name``, macOS's ``._name`` and ``__MACOSX``."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path as text that can be printed, even where its bytes are none."""
    return os.fspath(path).encode(errors="replace").decode()
