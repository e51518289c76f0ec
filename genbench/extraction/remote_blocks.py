"""Blocks that lie on another machine: fetched ahead of use, sent before they are needed elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from genbench.distributed import Ranks
from genbench.errors import InputError
from genbench.extraction.feature_store import HashedBlocks, Store, added_views
from genbench.plugs.contracts import Extractor, Source

BLOCKS_AHEAD = 64
"""Number of blocks that are fetched together."""

_TOLD: set[Path] = set()
"""Local folders of addresses that could not be reached, which the user was told."""


def fetch_ahead(store: Store | None, source: Source, extractors: Sequence[Extractor], blocks: Sequence[range]) -> None:
    """Fetch the blocks of these rows that are not here, if the source can hash its rows without decoding them."""
    hash_rows = getattr(source, "digest", None)
    if store is None or store.remote is None or hash_rows is None:
        return
    # sources keep hashes, so hashing the rows once more when they are read is cheap
    digests = [str(hash_rows(rows.start, rows.stop)) for rows in blocks]
    for extractor in extractors:
        if extractor.identity:
            store.fetch(extractor.identity, digests, added_views(extractor))


def gather_blocks(
    task: str, store: Store, extractors: Sequence[Extractor], ranks: Ranks, digests: Mapping[int, str]
) -> dict[int, HashedBlocks]:
    """Return the blocks of all ranks, with their content hashes; ``digests`` holds the hashes of this rank's blocks.

    ``task`` names what is extracted. Raises InputError if a rank fails, or if the store lacks a block.
    """
    # ranks exchange hashes only; the blocks themselves are read from the shared store
    for extractor in extractors:
        store.share(extractor.identity, list(digests.values()), added_views(extractor))
    messages = ranks.exchange(hashlib.sha256(task.encode()).hexdigest(), json.dumps(dict(digests)))
    # fetch what the others have computed, all together
    by_rank = [json.loads(message) for message in messages]
    for extractor in extractors:
        every = [digest for hashed in by_rank for digest in hashed.values()]
        store.fetch(extractor.identity, every, added_views(extractor))
    results: dict[int, HashedBlocks] = {}
    for rank, hashed in enumerate(by_rank):
        for number, digest in hashed.items():
            stored = [store.find(each.identity, digest, added_views(each)) for each in extractors]
            blocks = [block for block in stored if block is not None]
            # a missing block means that the rank has another store, or that the network has failed
            if len(blocks) < len(stored):
                raise (store.remote and store.remote.failure) or InputError(
                    f"{store.shown} lacks blocks that rank {rank} has stored, because all ranks need the same "
                    "folder; set GENBENCH_CACHE to a folder or an address that every machine can access."
                )
            results[int(number)] = blocks, digest
    return results


def send_rest(store: Store | None, notify: Callable[[str], None]) -> None:
    """Wait until all blocks are sent, also those that earlier runs could not send; say if one cannot be sent."""
    remote = None if store is None else store.remote
    if remote is None:
        return
    remote.send_unsent()
    remote.flush()
    # one message per process, because every further block fails in the same way
    if remote.failure is not None and remote.local not in _TOLD:
        _TOLD.add(remote.local)
        notify(f"features are kept in {remote.local} only, because {remote.failure}")
