"""What a bucket costs a block of features: prints the tables of reports/scale.md about machines without a shared disk.

``python -m tests.studies.bucket_blocks`` takes some minutes on one core. moto's S3 server and the slow link run in a
process of their own. The server is written in Python; a real one answers faster.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np

from genbench.extraction.feature_store import Block, Store
from genbench.files.remote_folder import RemoteFolder
from tests.helpers.bucket import bucket_server, environment_of, slow_link

ROUND_TRIP = 0.02
ROWS = 8192
SIZES = (256, 1024, 4096)
REPEATS = 3
WIDTHS = {"embedding": 2048, "logits": 1008}
"""The views of Inception: 12.2 kB a row in float32."""


def serve(pipe: Connection) -> None:
    with bucket_server() as environment, slow_link(environment["AWS_ENDPOINT_URL"], ROUND_TRIP) as slow:
        pipe.send((environment["AWS_ENDPOINT_URL"], slow))
        pipe.recv()


@contextmanager
def machine(endpoint: str | None, prefix: str):
    """Yield a store in an empty folder, with a bucket behind it if there is an endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        if endpoint is None:
            yield Store(Path(folder))
            return
        import s3fs

        # connections to the last endpoint are not used again
        s3fs.S3FileSystem.clear_instance_cache()
        os.environ.update(environment_of(endpoint))
        remote = RemoteFolder(f"s3://shared/{prefix}", Path(folder), "GENBENCH_CACHE")
        remote.fetch([Path(folder, "features", "none")])  # opens the connection
        yield Store(Path(folder), remote)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def flush(store: Store) -> None:
    if store.remote is not None:
        store.remote.flush()
        assert store.remote.failure is None, store.remote.failure


def measured(endpoint: str | None, size: int) -> dict[str, float]:
    """Return the time in ms that each block of ``size`` rows takes, by what is done with it."""
    random = np.random.default_rng(size)
    block = Block({name: random.random((size, width), np.float32) for name, width in WIDTHS.items()})
    digests = [f"{number:064x}" for number in range(ROWS // size)]
    prefix, spent = f"{time.time_ns()}", dict[str, float]()
    with machine(endpoint, prefix) as store:
        spent["write"] = seconds(lambda: [store.put("net", digest, block) for digest in digests])
        spent["wait at the end"] = seconds(lambda: flush(store))
        spent["find here"] = seconds(lambda: [store.find("net", digest) for digest in digests])
        if endpoint is None:
            return per_block(spent, digests)
        missing = [digest[::-1] for digest in digests]
        spent["not there, asked together"] = seconds(lambda: store.fetch("net", missing))
        with machine(endpoint, prefix) as other:
            spent["fetch together"] = seconds(lambda: other.fetch("net", digests))
            assert all(other._block_path("net", digest).exists() for digest in digests)
        with machine(endpoint, prefix) as other:
            spent["fetch one by one"] = seconds(lambda: [other.fetch("net", [digest]) for digest in digests])
        store.clear(remote=True)
    return per_block(spent, digests)


def per_block(spent: dict[str, float], digests: Sequence[str]) -> dict[str, float]:
    return {name: 1000 * value / len(digests) for name, value in spent.items()}


def main() -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,))
    process.start()
    near, slow = here.recv()
    places = {"folder": None, "bucket": near, "bucket, 20 ms": slow}
    print(f"{ROWS:,} rows, medians of {REPEATS}, load {os.getloadavg()[0]:.1f}; ms a block (ms for 1,000 rows)\n")
    print("| place | rows a block | what | ms a block | ms for 1,000 rows |\n|---|---|---|---|---|")
    # places take turns, so that a busy moment meets all of them
    for size in SIZES:
        runs = [{name: measured(endpoint, size) for name, endpoint in places.items()} for _ in range(REPEATS)]
        for name in places:
            for what in runs[0][name]:
                cost = median(run[name][what] for run in runs)
                print(f"| {name} | {size:,} | {what} | {cost:.1f} | {cost * 1000 / size:.1f} |", flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f}")
    here.send("end")
    process.join()


if __name__ == "__main__":
    main()
