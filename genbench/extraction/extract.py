"""The pass from a Source through extractors to Features: block by block, stored as it proceeds, resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.array_types import Array, Int64
from genbench.distributed import Ranks
from genbench.errors import InputError, PlugError, UsageError
from genbench.extraction.feature_store import Block, Store
from genbench.extraction.forward import ForwardPass
from genbench.features.features import Features
from genbench.files.progress_bar import progress_bar
from genbench.plugs.contracts import BATCH_SIZE, Batch, Extractor, Source

if TYPE_CHECKING:
    from tqdm import tqdm

BLOCK_ROWS = 256
"""Samples per block. A block is the unit of content addresses, of resuming and of recomputing after a change."""


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
    numbers = [number for number in range(-(-len(source) // BLOCK_ROWS)) if ranks is None or ranks.owns(number)]
    total = sum(min(BLOCK_ROWS, len(source) - number * BLOCK_ROWS) for number in numbers) * len(extractors)
    description = f"{source.name} -> {' | '.join(extractor.name for extractor in extractors)}"
    results: dict[int, tuple[list[Block], str]] = {}
    with progress_bar(total, description, "sample", show=options.progress) as bar:
        # bar.write prints a message above the bar
        passes = [ForwardPass(extractor, bar.write) for extractor in extractors]
        for number in numbers:
            results[number] = _extract_block(source, passes, options, number * BLOCK_ROWS, bar)
    if ranks is not None:
        results = _gather(source, extractors, options, {number: digest for number, (_, digest) in results.items()})

    # the fingerprint of the source is the hash of its blocks' hashes
    blocks, digests = zip(*(results[number] for number in sorted(results)), strict=True)
    fingerprint = hashlib.sha256("".join(digests).encode()).hexdigest()
    return [
        _assemble(source, extractor, options, [block[index] for block in blocks], fingerprint)
        for index, extractor in enumerate(extractors)
    ]


def _require_store(extractors: Sequence[Extractor], options: Extraction) -> None:
    for extractor in extractors:
        # an extractor without identity has no address in the store
        if not (options.store and extractor.identity):
            raise UsageError(
                f"Several processes exchange the features of {extractor.name!r} through the store, which needs the "
                "cache and an extractor with an identity; leave out --no-cache, or start one process."
            )


def _extract_block(
    source: Source, passes: Sequence[ForwardPass], options: Extraction, start: int, bar: tqdm[Any]
) -> tuple[list[Block], str]:
    """Return the block of each extractor that begins at row ``start``, and the content hash of its samples."""
    stop = min(start + BLOCK_ROWS, len(source))
    hash_rows = getattr(source, "digest", None)
    batches: Iterable[Batch]
    if hash_rows is not None:
        # the source hashes its rows without decoding them, for example from the files
        digest = str(hash_rows(start, stop))
        batches = source.batches(options.batch_size, start, stop)
    else:  # such a source must be decoded to be hashed: keep the samples of this block for the extractors
        batches = list(source.batches(options.batch_size, start, stop))
        digest = _hash_samples(batches)

    # look up every extractor's block in the store before anything is decoded
    blocks = [_stored_block(source, forward.extractor, options.store, digest) for forward in passes]
    missing = [index for index, block in enumerate(blocks) if block is None]
    bar.update((stop - start) * (len(blocks) - len(missing)))
    if len(missing) > 1:
        batches = list(batches)  # decode once for all extractors

    # compute and store the missing blocks
    for index in missing:
        block = _compute_block(passes[index], batches, source, range(start, stop), bar)
        identity, name = passes[index].extractor.identity, passes[index].extractor.name
        store = options.store if identity else None
        blocks[index] = store.put(identity, digest, block, extractor=name) if store else block
    return [block for block in blocks if block is not None], digest


def _hash_samples(batches: list[Batch]) -> str:
    digest = hashlib.sha256()
    # the dtype and shape too, because equal bytes may be different samples
    for batch in batches:
        for row in batch.data:
            digest.update(f"{row.dtype} {tuple(row.shape)}".encode())
            digest.update(row.numpy().tobytes())
    return digest.hexdigest()


def _stored_block(source: Source, extractor: Extractor, store: Store | None, digest: str) -> Block | None:
    """Return a block from the store, unless it lacks corrupt samples and this source must not skip them."""
    block = store.find(extractor.identity, digest) if store and extractor.identity else None
    complete = block is None or block.offset is None
    return block if complete or getattr(source, "skip_corrupt", False) else None


def _compute_block(
    forward: ForwardPass, batches: Iterable[Batch], source: Source, rows: range, bar: tqdm[Any]
) -> Block:
    # run the extractor on every batch
    outputs: list[dict[str, Array]] = []
    offsets: list[Int64] = []
    for batch in batches:
        outputs.append(forward.views(batch.data))
        offsets.append(batch.index.numpy() - rows.start)
        bar.update(len(batch.index))
    if not outputs:
        raise InputError(f"{source.name}: none of the samples {rows.start} to {rows.stop - 1} can be decoded.")

    # join the batches
    views = {view: np.concatenate([output[view] for output in outputs]) for view in outputs[0]}
    _require_finite(views, forward.extractor, source)
    offset = np.concatenate(offsets)
    return Block(views, offset if len(offset) < len(rows) else None)


def _require_finite(views: Mapping[str, Array], extractor: Extractor, source: Source) -> None:
    for view, rows in views.items():
        # name the view and the source, because every metric would fail later
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise PlugError(
                f"The extractor {extractor.name!r} gave NaN or infinity in {view!r} on {source.name}; check its "
                "weights and the samples."
            )


def _gather(
    source: Source, extractors: Sequence[Extractor], options: Extraction, digests: dict[int, str]
) -> dict[int, tuple[list[Block], str]]:
    """Return the blocks of all ranks, with their content hashes; ``digests`` holds the hashes of this rank's blocks."""
    assert options.ranks is not None
    assert options.store is not None
    # ranks exchange hashes only; the blocks themselves are read from the shared store
    task = " ".join([source.name, str(len(source)), *(extractor.identity for extractor in extractors)])
    messages = options.ranks.exchange(hashlib.sha256(task.encode()).hexdigest(), json.dumps(digests))
    results: dict[int, tuple[list[Block], str]] = {}
    for rank, message in enumerate(messages):
        for number, digest in json.loads(message).items():
            stored = [options.store.find(extractor.identity, digest) for extractor in extractors]
            blocks = [block for block in stored if block is not None]
            # a missing block means that the rank has another store
            if len(blocks) < len(stored):
                raise InputError(
                    f"{options.store.root} lacks blocks that rank {rank} has stored, because all ranks need the same "
                    "folder; set GENBENCH_CACHE to a folder that every machine can access."
                )
            results[int(number)] = blocks, digest
    return results


def _assemble(
    source: Source, extractor: Extractor, options: Extraction, blocks: list[Block], fingerprint: str
) -> Features:
    # positions in the source of all rows that could be decoded
    rows = np.concatenate([_positions(block, number, len(source)) for number, block in enumerate(blocks)])
    labels = getattr(source, "labels", None)
    mode_names = getattr(extractor, "class_names", None)
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
        label=None if labels is None else np.asarray(labels, np.int64)[rows],
        cache=store.derived(extractor.identity, fingerprint) if store else {},
    )


def _positions(block: Block, number: int, length: int) -> Int64:
    # a block without offset holds all its samples
    start = number * BLOCK_ROWS
    return start + (np.arange(min(BLOCK_ROWS, length - start)) if block.offset is None else block.offset)
