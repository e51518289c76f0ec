"""Sources that are made of others: Drawn (a Sampler with a count and a seed), Subset, and Reordered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import unwrap
from itertools import pairwise
from typing import Any

import numpy as np

from genbench.array_types import Array, Int64
from genbench.errors import DivergedError, InputError, PlugError, guest_code
from genbench.files.fingerprints import content_hash
from genbench.plugs.contract_checks import read_batches
from genbench.plugs.contracts import Batch, Sampler, Source
from genbench.plugs.requested_classes import RequestedClasses, class_count
from genbench.plugs.sampler_calls import WRAPPER, call_hint, call_sampler
from genbench.plugs.sampler_output import as_batch_data

CHUNK = 256
"""Number of samples per call of a sampler. Another number gives other samples, because each chunk has its own seed."""


SEED_BITS = 31
"""Seeds are below 2**31 unless a sampler has ``seed_bits``, because many programs parse signed 32-bit integers."""


@dataclass
class Drawn:
    """A source of ``count`` samples of a sampler: chunk i is ``sampler.sample(CHUNK, chunk_seed(seed, i))``.

    Seeds are below 2**31, or below 2**seed_bits if the sampler has that attribute. Every chunk is drawn whole and then
    cut, so 500 samples are the first 500 of 1,000. If the sampler takes classes, ``sample_classes`` is called with the
    classes of ``requests``, by default in turn, and they become the labels of the samples.
    """

    sampler: Sampler
    count: int
    seed: int
    name: str
    requests: RequestedClasses | None = None
    """Which class each sample is requested of; None means the classes in turn, if the sampler takes classes."""
    notes: Sequence[str] = ()
    """Sentences about what may be wrong with the samples."""
    _last: tuple[int, Array] | None = field(default=None, repr=False)  # the last chunk and its number
    _shape: tuple[int, ...] | None = field(default=None, repr=False)  # the shape of a sample of the first chunk drawn

    def __len__(self) -> int:
        return self.count

    @property
    def labels(self) -> Int64 | None:
        """int64 [count], the class that was requested for each sample; None if the sampler takes no classes."""
        return self._requested_classes(0, self.count)

    @property
    def label_rule(self) -> str:
        """How the classes are requested, one of ``LABEL_RULES``; empty if the sampler takes no classes."""
        requests = self._requests()
        return "" if requests is None else requests.rule

    @property
    def draws_ahead(self) -> bool:
        """Whether the sampler may draw its next samples in a thread while an extractor works on the last ones."""
        return bool(getattr(unwrap(self.sampler), "draw_ahead", True))  # type: ignore[arg-type]

    @property
    def class_names(self) -> Sequence[str] | None:
        """The names of the sampler's classes, if it states them."""
        names = getattr(self.sampler, "class_names", None)
        return None if self._requests() is None or not isinstance(names, (list, tuple)) else names

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield uint8 [n, 3, H, W] images or float32 [n, D] points. Raises PlugError if the sampler fails."""
        stop = self.count if stop is None else min(stop, self.count)
        while start < stop:
            # a batch ends where its chunk ends
            chunk, offset = divmod(start, CHUNK)
            end = min(stop, start + size, (chunk + 1) * CHUNK)
            data = self._chunk(chunk)[offset : offset + end - start]
            yield Batch(np.arange(start, end, dtype=np.int64), data, self._requested_classes(start, end))
            start = end

    def _chunk(self, number: int) -> Array:
        # keep one chunk, because consecutive batches are cut from the same chunk
        if self._last is None or self._last[0] != number:
            self._last = (number, self._draw(number))
        return self._last[1]

    def _draw(self, number: int) -> Array:
        # draw the whole chunk, whatever part of it is needed
        label = self._requested_classes(number * CHUNK, (number + 1) * CHUNK)
        who = f"The sampler {self.name!r}"
        seed = chunk_seed(self.seed, number, _seed_bits(self.sampler, who))
        method, what = ("sample", CHUNK) if label is None else ("sample_classes", label)
        try:
            with guest_code(who):
                samples = call_sampler(getattr(self.sampler, method), what, seed)
            data = as_batch_data(samples, CHUNK, who)
        except DivergedError:
            raise
        except PlugError as error:
            hint = call_hint(self.sampler, method, what, seed)
            raise PlugError(f"{error}{hint}", WRAPPER if hint else "") from error.__cause__
        # a sampler has one shape; a change often means that its seed or its state decides the size
        shape = tuple(data.shape[1:])
        if self._shape is not None and shape != self._shape:
            raise PlugError(
                f"{who} gave samples of shape {list(shape)} in chunk {number}, but {list(self._shape)} before; "
                "all its samples need the same shape."
            )
        self._shape = shape
        return data

    def _requested_classes(self, start: int, stop: int) -> Int64 | None:
        requests = self._requests()
        return None if requests is None else requests.between(start, stop)

    def _requests(self) -> RequestedClasses | None:
        """Return which class each sample is requested of; None if the sampler takes no classes."""
        classes = class_count(self.sampler)
        return None if classes is None else self.requests or RequestedClasses("equal", classes)


def chunk_seed(seed: int, number: int, bits: int = SEED_BITS) -> int:
    """Return the seed of chunk ``number``, below 2**bits; the seeds of different chunks are independent."""
    # SeedSequence mixes both numbers, so neighbouring seeds share no chunks
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) >> (32 - bits)


def _seed_bits(sampler: Sampler, who: str) -> int:
    bits = getattr(sampler, "seed_bits", SEED_BITS)
    if not isinstance(bits, int) or not 1 <= bits <= 32:
        raise PlugError(f"{who} has seed_bits={bits!r}; expected a whole number from 1 to 32.")
    return bits


def subset(source: Source, count: int, seed: int) -> Source:
    """Return ``count`` rows of a source, drawn without replacement by ``seed``, in the source's order.

    Raises InputError if the source holds fewer rows, because a score depends on the number of samples.
    """
    if count > len(source):
        raise InputError(
            f"{source.name} holds {len(source):,} sample{'' if len(source) == 1 else 's'}, but {count:,} are asked "
            "for; give more samples, or ask for fewer."
        )
    # all rows: the source itself, so that its name and features stay the same
    if count == len(source):
        return source
    chosen = np.sort(np.random.default_rng(seed).choice(len(source), count, replace=False))
    return Subset(source, chosen, f"{source.name} ({count:,} of {len(source):,}, seed {seed})")


def _column(name: str, rows: str) -> property:
    """Return a property: an attribute of the source with one value for each row, for the rows of this one, or None."""

    def values(chosen: Any) -> Any:
        column = getattr(chosen.source, name, None)
        return None if column is None else np.asarray(column)[getattr(chosen, rows)]

    return property(values)


@dataclass(frozen=True, eq=False)
class Subset:
    """A source of the chosen rows of another source, in its order."""

    source: Source
    chosen: Int64
    """int64 [N], sorted rows of ``source``."""
    name: str
    labels, volume, plane = (_column(name, "chosen") for name in ("labels", "volume", "plane"))

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def skip_corrupt(self) -> bool:
        """Whether the source leaves out samples that cannot be decoded."""
        return bool(getattr(self.source, "skip_corrupt", False))

    @property
    def class_names(self) -> Sequence[str] | None:
        """The names of the classes of the source."""
        return getattr(self.source, "class_names", None)

    @property
    def left_out(self) -> Mapping[str, int]:
        """What the source holds and does not use."""
        return getattr(self.source, "left_out", None) or {}

    @property
    def notes(self) -> Sequence[str]:
        """The notes of the source."""
        return getattr(self.source, "notes", ())

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the chosen rows ``start`` to ``stop``, at most ``size`` at a time."""
        rows = self.chosen[start:stop]
        if not len(rows):
            return
        # rows between the chosen ones are decoded and dropped: decoding is cheap compared with a network
        position = {int(row): start + index for index, row in enumerate(rows)}
        for batch in read_batches(self.source, size, int(rows[0]), int(rows[-1]) + 1):
            keep = [index for index, row in enumerate(batch.index.tolist()) if row in position]
            if keep:
                positions = np.array([position[int(batch.index[index])] for index in keep], np.int64)
                data = [batch.data[index] for index in keep] if isinstance(batch.data, list) else batch.data[keep]
                label = None if batch.label is None else batch.label[keep]
                # what is left out is not known row by row, so it is told for all rows that were decoded
                yield Batch(positions, data, label, batch.left_out)


@dataclass(frozen=True, eq=False)
class Reordered:
    """The rows of another source in a given order: its first rows, or rows in random order."""

    source: Source
    order: Int64
    """int64 [N], rows of ``source``, each at most once."""
    labels, volume, plane = (_column(name, "order") for name in ("labels", "volume", "plane"))

    def __len__(self) -> int:
        return len(self.order)

    def __getattr__(self, name: str) -> Any:
        # everything that does not depend on the order: name, class_names, left_out, skip_corrupt, ...
        if name.startswith("__") or name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)

    @property
    def name(self) -> str:
        """The name of the other source."""
        return self.source.name

    @property
    def digest(self) -> Callable[[int, int], str] | None:
        """The method that hashes the rows ``start`` to ``stop``; None if the source has none."""
        hash_rows: Callable[[int, int], str] | None = getattr(self.source, "digest", None)
        if hash_rows is None:
            return None

        def hash_runs(start: int, stop: int) -> str:
            digests = [str(hash_rows(*run)) for run in self._runs(start, stop)]
            # rows that lie together have the hash that they have in the source
            return digests[0] if len(digests) == 1 else content_hash(*(text.encode() for text in digests))

        return hash_runs

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the rows ``start`` to ``stop`` of this order, at most ``size`` at a time."""
        place = start
        waiting: list[Batch] = []
        for first, last in self._runs(start, len(self) if stop is None else min(stop, len(self))):
            for batch in read_batches(self.source, size, first, last):
                # short runs are joined, so that an extractor is not called for single rows
                if waiting and sum(len(each.index) for each in waiting) + len(batch.index) > size:
                    yield _joined(waiting)
                    waiting = []
                waiting.append(replace(batch, index=batch.index - first + place))
            place += last - first
        if waiting:
            yield _joined(waiting)

    def _runs(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of consecutive rows of the source that follow one another in this order."""
        rows = self.order[start:stop]
        ends = [*(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        for first, last in pairwise([0, *ends]):
            if last > first:
                yield int(rows[first]), int(rows[last - 1]) + 1


def _joined(batches: list[Batch]) -> Batch:
    """Return consecutive batches as one."""
    if len(batches) == 1:
        return batches[0]
    # images of different sizes stay a list
    rows = [row for batch in batches for row in batch.data]
    alike = len({(row.dtype, row.shape) for row in rows}) == 1
    labels = [batch.label for batch in batches if batch.label is not None]
    left_out = Counter[str]()
    for batch in batches:
        left_out.update(batch.left_out)
    return Batch(
        np.concatenate([batch.index for batch in batches]),
        np.stack(rows) if alike else rows,
        np.concatenate(labels) if len(labels) == len(batches) else None,
        dict(left_out),
    )
