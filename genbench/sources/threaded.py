"""Sources that load their samples one by one, in threads, ahead of their use and in order."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import torch

from genbench.array_types import Int64
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart, cached_hashes, content_hash, settled_stamp
from genbench.plugs.contracts import Batch
from genbench.sources.batch_ranges import batch_rows
from genbench.sources.decoding import Unreadable, decode_first_frame

BATCHES_AHEAD = 2
"""Number of batches that are decoded ahead of the current one. Memory holds these batches and the current one."""

LISTED_FAILURES = 50
"""Maximum number of corrupt samples that an error message names; the others are only counted."""


class Sample(NamedTuple):
    """A sample that was loaded."""

    data: torch.Tensor
    """uint8 [3, H, W] or float32 [D]."""
    label: int | None
    further_frames: int = 0
    """Number of frames of its file that are not used."""


_Loaded = Sample | Unreadable | None
"""A sample, the error of a corrupt sample, or None for a sample that was dropped."""


class ThreadedSource(ABC):
    """A source whose samples are loaded one by one in threads."""

    name: str
    labels: Int64 | None = None
    """int64 [N], the class of each row, if it is known in advance."""
    skip_corrupt: bool = False
    """Whether to leave out samples that cannot be decoded, instead of raising an error."""
    workers: int | None = None
    """Number of threads; None means one per processor, at most 8."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def place(self, row: int) -> str:
        """Return the name of a row for messages: its path."""

    @abstractmethod
    def load(self, row: int) -> tuple[torch.Tensor, int | None]:
        """Return uint8 [3, H, W] (or float32 [D]) and the class of a row. Raises Unreadable if it is corrupt."""

    def load_sample(self, row: int) -> Sample:
        """Return what ``load`` returns, and what was not used of the row."""
        return Sample(*self.load(row))

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the rows ``start`` to ``stop`` in order, at most ``size`` at a time.

        At the first corrupt row, all later rows of the source are checked too, and an InputError names all corrupt
        rows. With ``skip_corrupt``, these rows are left out and missing from Batch.index.
        """
        # batch_rows is called here, outside the generator, so that wrong arguments raise an error at once
        return self._batches(size, list(batch_rows(self.name, len(self), size, start, stop)))

    def _batches(self, size: int, groups: list[range]) -> Iterator[Batch]:
        failed: list[tuple[int, str]] = []
        for rows, loaded in self._load_ahead(groups):
            failed += _failures(rows, loaded)
            # after one failure, find all others, so that the user can fix them together
            if failed and not self.skip_corrupt:
                rest = batch_rows(self.name, len(self), size, rows.stop, None)
                for later_rows, later in self._load_ahead(rest, keep=False):
                    failed += _failures(later_rows, later)
                raise self._corrupt_error(failed)
            batch = _join(rows, loaded)
            if batch is not None:
                yield batch

    def _load_ahead(self, groups: Iterable[range], *, keep: bool = True) -> Iterator[tuple[range, list[_Loaded]]]:
        """Load groups of rows in threads; with ``keep=False``, only the errors are returned."""
        # one pool per call, so that the threads end with their batches
        workers = self.workers or min(8, os.cpu_count() or 1)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="genbench-decode")
        try:
            ahead: deque[tuple[range, list[Future[list[_Loaded]]]]] = deque()
            for rows in groups:
                # each thread loads every ``workers``-th row, so large neighbouring images are spread over the threads
                ahead.append((rows, [pool.submit(self._load_rows, rows[i::workers], keep) for i in range(workers)]))
                if len(ahead) > BATCHES_AHEAD:
                    yield _interleave(*ahead.popleft())
            # all groups are submitted; yield the last ones
            while ahead:
                yield _interleave(*ahead.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _load_rows(self, rows: range, keep: bool) -> list[_Loaded]:
        loaded = map(self._load_or_error, rows)
        return [sample if keep or isinstance(sample, Unreadable) else None for sample in loaded]

    def _load_or_error(self, row: int) -> _Loaded:
        try:
            return self.load_sample(row)
        except Unreadable as error:
            return error

    def _corrupt_error(self, failed: list[tuple[int, str]]) -> InputError:
        # name only the first failures, because a long list would hide the advice at the end
        listed = ", ".join(f"{self.place(row)} ({reason})" for row, reason in failed[:LISTED_FAILURES])
        more = f" and {len(failed) - LISTED_FAILURES:,} more" if len(failed) > LISTED_FAILURES else ""
        images, them = ("1 image", "it") if len(failed) == 1 else (f"{len(failed):,} images", "them")
        return InputError(
            f"{self.name}: {images} of {len(self):,} cannot be decoded: {listed}{more}; fix or remove {them}, or leave "
            f"{them} out with --skip-corrupt."
        )


def _interleave(rows: range, shares: list[Future[list[_Loaded]]]) -> tuple[range, list[_Loaded]]:
    # undo the distribution over the threads
    loaded: list[_Loaded] = [None] * len(rows)
    for index, share in enumerate(shares):
        loaded[index :: len(shares)] = share.result()
    return rows, loaded


def _failures(rows: range, loaded: list[_Loaded]) -> list[tuple[int, str]]:
    return [(row, str(sample)) for row, sample in zip(rows, loaded, strict=True) if isinstance(sample, Unreadable)]


def _join(rows: range, loaded: list[_Loaded]) -> Batch | None:
    """Return the samples that could be loaded as one batch, or None if there are none."""
    samples = [(row, sample) for row, sample in zip(rows, loaded, strict=True) if isinstance(sample, Sample)]
    if not samples:
        return None
    # stack images of one size; the classes are only useful if all are known
    data = [sample.data for _, sample in samples]
    labels = [sample.label for _, sample in samples if sample.label is not None]
    frames = sum(sample.further_frames for _, sample in samples)
    return Batch(
        torch.tensor([row for row, _ in samples]),
        torch.stack(data) if len({image.shape for image in data}) == 1 else data,
        torch.tensor(labels) if len(labels) == len(samples) else None,
        {"further frames": frames} if frames else {},
    )


class EncodedImages(ThreadedSource):
    """A source of encoded images, in files or in an archive."""

    @abstractmethod
    def read(self, row: int) -> bytes:
        """Return the bytes of one image. Raises Unreadable if they cannot be read."""

    @abstractmethod
    def part(self, row: int) -> FilePart:
        """Return the location of these bytes, so that their hash can be cached."""

    def load(self, row: int) -> tuple[torch.Tensor, int | None]:
        """Return the decoded image and its class. Raises Unreadable if it is corrupt."""
        return self.load_sample(row)[:2]

    def load_sample(self, row: int) -> Sample:
        """Return the decoded image, its class and the number of its further frames."""
        data, further_frames = decode_first_frame(self.read(row))
        return Sample(data, None if self.labels is None else int(self.labels[row]), further_frames)

    def digest(self, start: int, stop: int) -> str:
        """Return a hash of the bytes of these images, in their order and without their names.

        Nothing is decoded. Files that have not changed on disk since they were last hashed are not read again.
        """
        # the hash depends on the contents and not on the names, so renamed files keep their features
        parts = [self.part(row) for row in range(start, stop)]
        hashes = cached_hashes(parts, self._hash_row(start), workers=self.workers)
        return content_hash(_DECODING_RULE, *((known or "unreadable").encode() for known in hashes))

    def stamp(self, start: int, stop: int) -> str | None:
        """Return a text that changes when a file of these rows changes; None if their files are too young to tell."""
        return settled_stamp({self.part(row).path for row in range(start, stop)})

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
