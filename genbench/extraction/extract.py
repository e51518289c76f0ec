"""The pass from a Source through extractors to Features: block by block, stored as it proceeds, resumable."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array, Int64
from genbench.distributed import Ranks
from genbench.errors import InputError, PlugError, UsageError
from genbench.extraction.block_facts import BlockFacts
from genbench.extraction.block_reader import BLOCK_ROWS, BlockReader
from genbench.extraction.feature_store import Block, HashedBlocks, Store, added_views
from genbench.extraction.forward import ForwardPass
from genbench.extraction.remote_blocks import BLOCKS_AHEAD, fetch_ahead, gather_blocks, send_rest
from genbench.features.features import Features
from genbench.files.progress_bar import Progress, progress_bar
from genbench.plugs.contracts import BATCH_SIZE, Batch, Extractor, Source

_UNWRITABLE: set[Path] = set()
"""Folders of stores that could not be written, which the user was told."""


@dataclass(frozen=True)
class Extraction:
    """Options of the pass. They change results by rounding errors only."""

    store: Store | None = None
    """Where blocks are stored; None keeps them in memory."""
    batch_size: int = BATCH_SIZE
    ranks: Ranks | None = None
    """The processes that share the work, each calling with the same arguments; None means a single process."""
    progress: bool | None = None
    """Whether to show a progress bar on stderr; None shows it only if stderr is a terminal."""
    known: dict[int, HashedBlocks] | None = None
    """Blocks of the same source and extractors by number; they are not read again, and whole new blocks are added."""


def extract(source: Source, extractor: Extractor, options: Extraction | None = None) -> Features:
    """Return the Features of all rows of a source, in its order.

    Blocks that are in the store are not computed again. Raises InputError if the source is empty or cannot be read,
    PlugError if the extractor raises or breaks its contract.
    """
    return extract_all(source, [extractor], options)[0]


def extract_all(source: Source, extractors: Sequence[Extractor], options: Extraction | None = None) -> list[Features]:
    """Return the Features of each extractor from one pass over the source, so every row is decoded only once."""
    options = options or Extraction()
    if len(source) == 0:
        raise InputError(f"{source.name} holds no samples.")
    ranks = options.ranks
    if ranks is not None:
        _require_store(extractors, options)

    # each rank computes the blocks that it owns
    known = {} if options.known is None else options.known
    blocks_in_all = range(-(-len(source) // BLOCK_ROWS))
    numbers = [number for number in blocks_in_all if number not in known and (ranks is None or ranks.owns(number))]
    total = sum(len(_block_rows(source, number)) for number in numbers) * len(extractors)
    description = f"{source.name} -> {' | '.join(extractor.name for extractor in extractors)}"
    results: dict[int, HashedBlocks] = {}
    bars = progress_bar(total, description, "sample", show=options.progress)
    with bars as bar, BlockReader(source, options.batch_size, numbers) as reader:
        # bar.write prints a message above the bar
        passes = [ForwardPass(extractor, bar.write) for extractor in extractors]
        for place, number in enumerate(numbers):
            if place % BLOCKS_AHEAD == 0:
                ahead = [_block_rows(source, each) for each in numbers[place : place + BLOCKS_AHEAD]]
                fetch_ahead(options.store, source, extractors, ahead)
            results[number] = _extract_block(reader, passes, options, number, bar)
        if ranks is None:
            send_rest(options.store, bar.write)
    if ranks is not None:
        assert options.store is not None
        task = " ".join([source.name, str(len(source)), *(extractor.identity for extractor in extractors)])
        own = {number: digest for number, (_, digest) in results.items()}
        results = gather_blocks(task, options.store, extractors, ranks, own)

    # whole blocks stay as they are if the source grows
    results |= {number: known[number] for number in blocks_in_all if number in known}
    known.update({number: blocks for number, blocks in results.items() if (number + 1) * BLOCK_ROWS <= len(source)})

    # the fingerprint of the source is the hash of its blocks' hashes
    blocks, digests = zip(*(results[number] for number in sorted(results)), strict=True)
    fingerprint = hashlib.sha256("".join(digests).encode()).hexdigest()
    return [
        _assemble(source, extractor, options, [block[index] for block in blocks], fingerprint)
        for index, extractor in enumerate(extractors)
    ]


def _block_rows(source: Source, number: int) -> range:
    return range(number * BLOCK_ROWS, min((number + 1) * BLOCK_ROWS, len(source)))


def _require_store(extractors: Sequence[Extractor], options: Extraction) -> None:
    for extractor in extractors:
        # an extractor without identity has no address in the store
        if not (options.store and extractor.identity):
            raise UsageError(
                f"Several processes exchange the features of {extractor.name!r} through the store, which needs the "
                "cache and an extractor with an identity; leave out --no-cache, or start one process."
            )


def _extract_block(
    reader: BlockReader, passes: Sequence[ForwardPass], options: Extraction, number: int, bar: Progress
) -> HashedBlocks:
    """Return a block of each extractor, and the content hash of its samples."""
    source, rows = reader.source, _block_rows(reader.source, number)
    start, stop = rows.start, rows.stop
    hash_rows = getattr(source, "digest", None)
    batches: Iterable[Batch]
    if hash_rows is not None:
        # the source hashes its rows without decoding them, for example from the files
        digest = str(hash_rows(start, stop))
        batches = reader.batches(number)
    else:  # such a source must be decoded to be hashed: keep the samples of this block for the extractors
        whole = reader.read(number)
        digest = _hash_samples(whole)
        batches = reader.beside_next(number, whole)

    # look up every extractor's block in the store before anything is decoded
    blocks = [_stored_block(source, forward.extractor, options.store, digest, stop - start) for forward in passes]
    missing = [index for index, block in enumerate(blocks) if block is None]
    bar.update((stop - start) * (len(blocks) - len(missing)))

    # compute all missing blocks in one pass, and store them
    extractors = [passes[index] for index in missing]
    computed = _compute_blocks(extractors, batches, source, rows, bar) if missing else []
    if missing and not getattr(source, "unchanged", lambda: True)():
        _require_digest(source, start, stop, digest)
    for index, block in zip(missing, computed, strict=True):
        blocks[index] = _kept_block(passes[index], digest, block, options)
    return [block for block in blocks if block is not None], digest


def _kept_block(forward: ForwardPass, digest: str, block: Block, options: Extraction) -> Block:
    """Return the block in the store, or in memory if there is none or if it cannot be written."""
    identity, store = forward.extractor.identity, options.store
    if store is None or not identity:
        return block
    try:
        added = added_views(forward.extractor)
        return store.put(identity, digest, block, extractor=forward.extractor.name, added=added)
    except InputError as error:
        # several processes exchange their blocks through the store
        if options.ranks is not None:
            raise
        # one message per folder, because every further block fails in the same way
        if store.root not in _UNWRITABLE:
            _UNWRITABLE.add(store.root)
            forward.notify(f"features are kept in memory only, because {error}")
        return block


def _require_digest(source: Source, start: int, stop: int, digest: str) -> None:
    """Raise InputError if the samples have another hash now: their features would be stored under a wrong address."""
    if str(source.digest(start, stop)) != digest:  # type: ignore[attr-defined]
        raise InputError(
            f"{source.name} changed while samples {start:,} to {stop - 1:,} were read; wait until nothing writes to "
            "it, and start the same command again."
        )


def _hash_samples(batches: list[Batch]) -> str:
    digest = hashlib.sha256()
    # the dtype and shape too, because equal bytes may be different samples; the names of dtypes are those of torch
    for batch in batches:
        for row in batch.data:
            digest.update(f"torch.{row.dtype} {row.shape}".encode())
            digest.update(row.tobytes())
    return digest.hexdigest()


def _stored_block(source: Source, extractor: Extractor, store: Store | None, digest: str, count: int) -> Block | None:
    """Return a block of ``count`` samples from the store, unless it lacks corrupt ones that must not be skipped."""
    added = added_views(extractor)
    block = store.find(extractor.identity, digest, added) if store and extractor.identity else None
    if block is None:
        return None
    # a guest's source may give one hash to blocks of different lengths
    if block.offset is None:
        return block if len(block) == count else None
    return block if getattr(source, "skip_corrupt", False) and block.offset.max() < count else None


def _compute_blocks(
    passes: Sequence[ForwardPass], batches: Iterable[Batch], source: Source, rows: range, bar: Progress
) -> list[Block]:
    """Return the block of each extractor; every batch is decoded once and goes through all extractors."""
    outputs: list[list[dict[str, Array]]] = [[] for _ in passes]
    facts = BlockFacts()
    for batch in batches:
        facts.add(batch)
        for forward, views in zip(passes, outputs, strict=True):
            views.append(forward.views(batch.data))
            bar.update(len(batch.index))
    if not facts.index:
        raise InputError(f"{source.name}: none of the samples {rows.start} to {rows.stop - 1} can be decoded.")

    # join the batches; all blocks share what is known of the samples
    offset = np.concatenate(facts.index) - rows.start
    return [
        Block(
            _joined_views(forward.extractor, views, source),
            offset if len(offset) < len(rows) else None,
            np.frombuffer(b"".join(facts.hashes), np.int64),
            facts.levels,
            dict(facts.left_out),
        )
        for forward, views in zip(passes, outputs, strict=True)
    ]


def _joined_views(extractor: Extractor, outputs: list[dict[str, Array]], source: Source) -> dict[str, Array]:
    views = {view: np.concatenate([output[view] for output in outputs]) for view in outputs[0]}
    _require_finite(views, extractor, source)
    return views


def _require_finite(views: Mapping[str, Array], extractor: Extractor, source: Source) -> None:
    for view, rows in views.items():
        # name the view and the source, because every metric would fail later
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise PlugError(
                f"The extractor {extractor.name!r} gave NaN or infinity in {view!r} on {source.name}; check its "
                "weights and the samples."
            )


def _assemble(
    source: Source, extractor: Extractor, options: Extraction, blocks: list[Block], fingerprint: str
) -> Features:
    # positions in the source of all rows that could be decoded
    rows = np.concatenate([_positions(block, number, len(source)) for number, block in enumerate(blocks)])
    by_row = {"label": getattr(source, "labels", None)}
    by_row |= {name: getattr(source, name, None) for name in ("volume", "plane")}
    columns: dict[str, Any] = {k: None if v is None else np.asarray(v, np.int64)[rows] for k, v in by_row.items()}
    class_names = getattr(source, "class_names", None)
    mode_names = getattr(extractor, "class_names", None)
    # gather what the blocks know of their samples
    hashes = [block.hashes for block in blocks if block.hashes is not None]
    levels = [block.levels for block in blocks if block.levels is not None]
    left_out = Counter(getattr(source, "left_out", None) or {})
    for block in blocks:
        left_out.update(block.left_out)
    store = options.store if extractor.identity else None
    return Features(
        [block.views for block in blocks],
        name=source.name,
        extractor=extractor.name,
        identity=extractor.identity,
        fingerprint=fingerprint,
        modes=getattr(extractor, "modes", None),
        mode_names=None if mode_names is None else tuple(map(str, mode_names)),
        skipped=len(source) - len(rows),
        **columns,
        class_names=None if class_names is None else tuple(map(str, class_names)),
        label_rule=str(getattr(source, "label_rule", "")),
        left_out={thing: count for thing, count in left_out.items() if count},
        levels=(min(low for low, _ in levels), max(high for _, high in levels)) if levels else None,
        hashes=np.concatenate(hashes) if len(hashes) == len(blocks) else None,
        cache=store.derived(extractor.identity, fingerprint) if store else {},
    )


def _positions(block: Block, number: int, length: int) -> Int64:
    # a block without offset holds all its samples
    start = number * BLOCK_ROWS
    return start + (np.arange(min(BLOCK_ROWS, length - start)) if block.offset is None else block.offset)
