"""Sources that load their samples one by one, in threads, ahead of their use and in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from genbench.array_types import Array, Int64
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart, FileStamp, are_unchanged, cached_hashes, content_hash
from genbench.plugs.contracts import Batch
from genbench.sources.batch_ranges import batch_rows
from genbench.sources.decoding import TooLarge, Unreadable, decode_within
from genbench.sources.read_ahead import Loaded, Sample, load_in_order

BATCH_BYTES = 1 << 27
"""Maximum bytes of the samples of a batch, unless a single one is larger."""

LISTED_FAILURES = 50
"""Maximum number of corrupt samples that an error message names; the others are only counted."""


class ThreadedSource(ABC):
    """A source whose samples are loaded one by one in threads."""

    name: str
    labels: Int64 | None = None
    """int64 [N], the class of each row, if it is known in advance."""
    skip_corrupt: bool = False
    """Whether to leave out samples that cannot be decoded, instead of raising an error."""
    max_pixels: int | None = None
    """Maximum number of pixels of an image, against decompression bombs; None means Pillow's limit, 89 million."""
    workers: int | None = None
    """Number of threads; None means one per processor, at most 8."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def place(self, row: int) -> str:
        """Return the name of a row for messages: its path."""

    @abstractmethod
    def load(self, row: int) -> tuple[Array, int | None]:
        """Return uint8 [3, H, W] (or float32 [D]) and the class of a row. Raises Unreadable if it is corrupt."""

    def load_within(self, row: int, memory: int | None) -> Sample | TooLarge:
        """Return what ``load`` returns, or TooLarge if that is known to need more than ``memory`` bytes."""
        return Sample(*self.load(row))

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the rows ``start`` to ``stop`` in order, at most ``size`` at a time, and fewer if they are large.

        At the first corrupt row, all later rows of the source are checked too, and an InputError names all corrupt
        rows. With ``skip_corrupt``, these rows are left out and missing from Batch.index.
        """
        # batch_rows is called here, outside the generator, so that wrong arguments raise an error at once
        return self._batches(size, list(batch_rows(self.name, len(self), size, start, stop)))

    def _batches(self, size: int, groups: list[range]) -> Iterator[Batch]:
        failed: list[tuple[int, str]] = []
        samples: list[tuple[int, Sample]] = []
        held = 0  # bytes of these samples
        ends = {rows.stop - 1 for rows in groups}
        for row, loaded in load_in_order(self._load_or_error, groups, self.workers):
            if isinstance(loaded, Unreadable):
                failed.append((row, str(loaded)))
            elif loaded is not None and (self.skip_corrupt or not failed):
                # large images make smaller batches
                if samples and held + loaded.data.nbytes > BATCH_BYTES:
                    yield _join(samples)
                    held = 0
                samples.append((row, loaded))
                held += loaded.data.nbytes
            # after one failure, find all others, so that the user can fix them together
            if row in ends and failed and not self.skip_corrupt:
                rest = batch_rows(self.name, len(self), size, row + 1, None)
                later = load_in_order(self._check, rest, self.workers)
                raise self._corrupt_error(failed + [(number, str(error)) for number, error in later if error])
            if samples and (row in ends or held >= BATCH_BYTES):
                yield _join(samples)
                held = 0

    def _load_or_error(self, row: int, memory: int | None) -> Loaded | TooLarge:
        try:
            return self.load_within(row, memory)
        except Unreadable as error:
            return error

    def _check(self, row: int, memory: int | None) -> Unreadable | TooLarge | None:
        """Return only the error of a corrupt row."""
        loaded = self._load_or_error(row, memory)
        return None if isinstance(loaded, Sample) else loaded

    def _corrupt_error(self, failed: list[tuple[int, str]]) -> InputError:
        # name only the first failures, because a long list would hide the advice at the end
        listed = ", ".join(f"{self.place(row)} ({reason})" for row, reason in failed[:LISTED_FAILURES])
        more = f" and {len(failed) - LISTED_FAILURES:,} more" if len(failed) > LISTED_FAILURES else ""
        images, them = ("1 image", "it") if len(failed) == 1 else (f"{len(failed):,} images", "them")
        return InputError(
            f"{self.name}: {images} of {len(self):,} cannot be decoded: {listed}{more}; fix or remove {them}, or leave "
            f"{them} out with --skip-corrupt."
        )


def _join(samples: list[tuple[int, Sample]]) -> Batch:
    """Return the samples with their rows as one batch, and empty the list, which would keep large images in memory."""
    # stack images of one size; the classes are only useful if all are known
    data = [sample.data for _, sample in samples]
    labels = [sample.label for _, sample in samples if sample.label is not None]
    frames = sum(sample.further_frames for _, sample in samples)
    rows = np.array([row for row, _ in samples], np.int64)
    label = np.array(labels, np.int64) if len(labels) == len(samples) else None
    samples.clear()
    # a single image is not copied
    same_size = len({image.shape for image in data}) == 1
    stacked = data[0][None] if len(data) == 1 else np.stack(data) if same_size else data
    return Batch(rows, stacked, label, {"further frames": frames} if frames else {})


class EncodedImages(ThreadedSource):
    """A source of encoded images, in files or in an archive."""

    _hashed: dict[Path, FileStamp | None]

    @abstractmethod
    def read(self, row: int) -> bytes:
        """Return the bytes of one image. Raises Unreadable if they cannot be read."""

    @abstractmethod
    def part(self, row: int) -> FilePart:
        """Return the location of these bytes, so that their hash can be cached."""

    def load(self, row: int) -> tuple[Array, int | None]:
        """Return the decoded image and its class. Raises Unreadable if it is corrupt."""
        sample = self.load_within(row, None)
        assert isinstance(sample, Sample)
        return sample.data, sample.label

    def load_within(self, row: int, memory: int | None) -> Sample | TooLarge:
        """Return the decoded image, its class and the number of its further frames, or TooLarge."""
        decoded = decode_within(self.read(row), max_pixels=self.max_pixels, memory=memory)
        if isinstance(decoded, TooLarge):
            return decoded
        label = None if self.labels is None else int(self.labels[row])
        return Sample(decoded.data, label, decoded.further_frames)

    def digest(self, start: int, stop: int) -> str:
        """Return a hash of the bytes of these images, in their order and without their names.

        Nothing is decoded. Files that have not changed on disk since they were last hashed are not read again.
        """
        # the hash depends on the contents and not on the names, so renamed files keep their features
        hashes = self.content_hashes(start, stop)
        return content_hash(_DECODING_RULE, *((known or "unreadable").encode() for known in hashes))

    def unchanged(self) -> bool:
        """Return whether the files of the last ``digest`` surely stayed the same since."""
        return are_unchanged(self._hashed)

    def content_hashes(self, start: int, stop: int) -> list[str | None]:
        """Return the hash of the bytes of each image, None for those that cannot be read."""
        parts = [self.part(row) for row in range(start, stop)]
        self._hashed = {}
        return cached_hashes(parts, self._hash_row(start), seen=self._hashed, workers=self.workers)

    def _hash_row(self, start: int) -> Callable[[int], str | None]:
        # cached_hashes numbers the parts from 0, but the rows begin at ``start``
        def hash_row(index: int) -> str | None:
            try:
                return content_hash(self.read(start + index))
            except Unreadable:
                return None

        return hash_row


_DECODING_RULE = b"encoded images, rule 1 of decode\n"
"""Part of every hash. It must change with the rule of ``decode``, because equal bytes then give other features."""
