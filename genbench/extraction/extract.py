"""The one pass from a Source through an Extractor to Features: block by block, kept as it goes, resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.arrays import Array
from genbench.distributed import Ranks
from genbench.errors import InputError, PlugError, UsageError
from genbench.extraction.feature_store import Store
from genbench.extraction.forward import Caller
from genbench.features.features import Features
from genbench.files.progress import progress_bar
from genbench.plugs.contracts import Batch, Extractor, Source

if TYPE_CHECKING:
    from tqdm import tqdm

BLOCK = 256
"""Rows a block: the unit of resuming, of content addresses and of what a changed file costs."""

BATCH_SIZE = 32
"""Samples that an extractor gets at a time, by default."""


@dataclass(frozen=True)
class Extraction:
    """How to run the pass. None of it changes a number beyond rounding."""

    store: Store | None = None
    """Where blocks are kept; None keeps them in memory."""
    batch_size: int = BATCH_SIZE
    ranks: Ranks | None = None
    """The processes that share the work, each of them calling this with the same arguments; None works alone."""
    progress: bool | None = None
    """Show a bar on stderr; None shows it where stderr is a terminal."""


def extract(source: Source, extractor: Extractor, how: Extraction | None = None) -> Features:
    """Return the Features of all rows of a source, in its order.

    Blocks that the store knows by content are not computed again. Raises InputError where the source is empty or
    cannot be read, PlugError where the extractor raises or breaks its contract.
    """
    return extract_all(source, [extractor], how)[0]


def extract_all(source: Source, extractors: Sequence[Extractor], how: Extraction | None = None) -> list[Features]:
    """Return the Features of each extractor, from one pass over the source: every row is decoded once."""
    how = how or Extraction()
    if len(source) == 0:
        raise InputError(f"{source.name} holds no samples.")
    if how.ranks is not None:
        _check_shared(extractors, how)
    found: dict[int, tuple[list[Mapping[str, Array]], str]] = {}
    mine = [number for number in range(-(-len(source) // BLOCK)) if how.ranks is None or how.ranks.mine(number)]
    total = sum(min(BLOCK, len(source) - number * BLOCK) for number in mine) * len(extractors)
    description = f"{source.name} -> {' | '.join(extractor.name for extractor in extractors)}"
    with progress_bar(total, description, "sample", show=how.progress) as bar:
        callers = [Caller(extractor, bar.write) for extractor in extractors]
        for number in mine:
            found[number] = _block(source, callers, how, number * BLOCK, bar)
    if how.ranks is not None:
        found = _of_all_ranks(source, extractors, how, {number: digest for number, (_, digest) in found.items()})
    blocks, digests = zip(*(found[number] for number in sorted(found)), strict=True)
    fingerprint = hashlib.sha256("".join(digests).encode()).hexdigest()
    return [
        _assembled(source, extractor, how, [block[at] for block in blocks], fingerprint)
        for at, extractor in enumerate(extractors)
    ]


def _check_shared(extractors: Sequence[Extractor], how: Extraction) -> None:
    for extractor in extractors:
        if not (how.store and extractor.identity):
            raise UsageError(
                f"Several processes share what {extractor.name!r} has seen through the store, which needs the cache "
                "and an extractor with an identity; leave out --no-cache, or start one process."
            )


def _of_all_ranks(
    source: Source, extractors: Sequence[Extractor], how: Extraction, mine: dict[int, str]
) -> dict[int, tuple[list[Mapping[str, Array]], str]]:
    """Return all blocks and their hashes, as the ranks have put them into the store."""
    assert how.ranks is not None
    assert how.store is not None
    about = " ".join([source.name, str(len(source)), *(extractor.identity for extractor in extractors)])
    found: dict[int, tuple[list[Mapping[str, Array]], str]] = {}
    for rank, told in enumerate(how.ranks.exchange(hashlib.sha256(about.encode()).hexdigest(), json.dumps(mine))):
        for number, digest in json.loads(told).items():
            blocks = [how.store.find(extractor.identity, digest) for extractor in extractors]
            there = [block for block in blocks if block is not None]
            if len(there) < len(blocks):
                raise InputError(
                    f"{how.store.root} lacks what rank {rank} has put into its store: all ranks need one folder, so "
                    "set GENBENCH_CACHE to one that every machine sees."
                )
            found[int(number)] = there, digest
    return found


def _block(
    source: Source, callers: Sequence[Caller], how: Extraction, start: int, bar: tqdm[Any]
) -> tuple[list[Mapping[str, Array]], str]:
    """Return each extractor's views of one block and its content hash, from the store where it is known."""
    stop = min(start + BLOCK, len(source))
    told = getattr(source, "digest", None)
    batches: Iterator[Batch] | list[Batch]
    if told is not None:
        digest = str(told(start, stop))
        batches = source.batches(how.batch_size, start, stop)
    else:  # only the samples themselves tell: hold this block while it is hashed
        batches = list(source.batches(how.batch_size, start, stop))
        digest = _content_hash(batches)
    blocks = [_kept(source, caller.extractor, how.store, digest) for caller in callers]
    lacking = [at for at, block in enumerate(blocks) if block is None]
    bar.update((stop - start) * (len(blocks) - len(lacking)))
    if len(lacking) > 1:
        batches = list(batches)  # decoded once for all that look at them
    for at in lacking:
        views = _look(callers[at], batches, source, start, stop, bar)
        if not views:
            raise InputError(f"{source.name}: none of the samples {start} to {stop - 1} can be decoded.")
        identity, name = callers[at].extractor.identity, callers[at].extractor.name
        blocks[at] = how.store.keep(identity, digest, views, extractor=name) if how.store and identity else views
    return [block for block in blocks if block is not None], digest


def _kept(source: Source, extractor: Extractor, store: Store | None, digest: str) -> Mapping[str, Array] | None:
    """Return a block that the store knows, unless rows are missing there that should not be."""
    found = store.find(extractor.identity, digest) if store and extractor.identity else None
    return found if found is None or "offset" not in found or getattr(source, "skip_corrupt", False) else None


def _look(
    caller: Caller, batches: Iterator[Batch] | list[Batch], source: Source, start: int, stop: int, bar: tqdm[Any]
) -> dict[str, Array]:
    parts: list[dict[str, Array]] = []
    offsets: list[Array] = []
    for batch in batches:
        parts.append(caller.views(batch.data))
        offsets.append(batch.index.numpy() - start)
        bar.update(len(batch.index))
    if not parts:
        return {}
    views = {view: np.concatenate([part[view] for part in parts]) for view in parts[0]}
    _check(views, caller.extractor, source)
    offset = np.concatenate(offsets)
    if len(offset) < stop - start:  # some could not be decoded and were left out
        views["offset"] = offset
    return views


def _check(views: Mapping[str, Array], extractor: Extractor, source: Source) -> None:
    for view, rows in views.items():
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise PlugError(
                f"The extractor {extractor.name!r} gave NaN or infinity in {view!r} on {source.name}; check its "
                "weights and the samples."
            )


def _assembled(
    source: Source, extractor: Extractor, how: Extraction, blocks: list[Mapping[str, Array]], fingerprint: str
) -> Features:
    labels = getattr(source, "labels", None)
    rows = np.concatenate(
        [number * BLOCK + _offsets(block, len(source) - number * BLOCK) for number, block in enumerate(blocks)]
    )
    stored = how.store if extractor.identity else None
    return Features(
        [_without_offset(block) for block in blocks],
        name=source.name,
        extractor=extractor.name,
        identity=extractor.identity,
        fingerprint=fingerprint,
        modes=getattr(extractor, "modes", None),
        skipped=len(source) - len(rows),
        label=None if labels is None else np.asarray(labels, np.int64)[rows],
        cache=stored.beside(extractor.identity, fingerprint) if stored else {},
    )


def _offsets(block: Mapping[str, Array], left: int) -> Array:
    return block["offset"] if "offset" in block else np.arange(min(BLOCK, left))


def _without_offset(block: Mapping[str, Array]) -> Mapping[str, Array]:
    return _Chosen(block) if "offset" in block else block


class _Chosen(Mapping[str, Array]):
    """A block without the column that says which samples were left out."""

    def __init__(self, block: Mapping[str, Array]) -> None:
        self._block = block

    def __getitem__(self, view: str) -> Array:
        return self._block[view]

    def __iter__(self) -> Iterator[str]:
        return (view for view in self._block if view != "offset")

    def __len__(self) -> int:
        return len(self._block) - 1


def _content_hash(batches: list[Batch]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        for row in batch.data:
            digest.update(f"{row.dtype} {tuple(row.shape)}".encode())
            digest.update(row.numpy().tobytes())
    return digest.hexdigest()
