"""Damaged files of statistics and features, and damaged blocks: each is read, or refused in one sentence, or absent."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.cli.statistics_list import statistics_details
from genbench.extraction.feature_store import Block, Store
from genbench.features.features import Features, Moments
from genbench.features.named_statistics import copy_here
from genbench.features.published_statistics import NamedStatistics
from genbench.features.statistics_files import has_images, read_reference, write_statistics
from genbench.features.statistics_registry import Registry, all_statistics, registry_path
from genbench.files.json_records import to_record
from tests.helpers.mutations import (
    Kind,
    check_kind,
    mutated_json_lines,
    mutated_safetensors,
    mutated_zip,
    mutator,
    saved,
    trials,
    written,
)

ROWS = np.random.default_rng(0).standard_normal((12, 3))
MOMENTS = Moments(ROWS.mean(axis=0), np.cov(ROWS, rowvar=False), 12, "mine", "inception", "inception 1", "c0ffee")
DIGEST = "c0ffee"


def read_statistics(path: Path) -> None:
    has_images(path)
    statistics = read_reference(path)
    if isinstance(statistics, Moments):
        # a covariance, as far as rounding allows
        assert np.linalg.eigvalsh(statistics.covariance).min() >= -1e-3 * np.abs(statistics.covariance).max()
    elif isinstance(statistics, Features) and "embedding" in statistics.views and len(statistics) > 1:
        statistics.moments()


def read_block(path: Path) -> None:
    # a damaged block is absent
    found = Store(path.parents[3]).find("net", DIGEST)
    if found is not None:
        assert np.array_equal(found.views["embedding"], ROWS)
        assert (found.levels, found.left_out) == ((0, 255), {"hidden files": 2})


def read_registry(path: Path) -> None:
    """Read a file in place of the user's registry, and look for each file that it names."""
    registry_path().parent.mkdir(parents=True, exist_ok=True)
    registry_path().write_bytes(path.read_bytes())
    for statistics in all_statistics():
        assert statistics_details(statistics)
        copy_here(statistics)


def registries(_: Path) -> list[bytes]:
    entries = [
        NamedStatistics("a", ("https://host/a.npz",), "", DIGEST * 10 + "1234", ("inception",), 7, "random", 9),
        NamedStatistics("b", path="/nowhere/b.pkl"),
    ]
    return [json.dumps(to_record(Registry(tuple(entries), {"edm-cifar10": DIGEST * 10 + "5678"}))).encode()]


def blocks(folder: Path) -> list[bytes]:
    block = Block({"embedding": ROWS}, np.arange(12), np.arange(12), (0, 255), {"hidden files": 2})
    Store(folder).put("net", DIGEST, block, extractor="net")
    return [(folder / BLOCK).read_bytes()]


BLOCK = Store(Path())._block_path("net", DIGEST)


def features_files(folder: Path) -> list[bytes]:
    from safetensors.numpy import save_file

    views = {"embedding": ROWS, "mode": np.arange(12) % 3}
    made = Features([views], "mine", "net", "net 1", modes=3, label=np.arange(12) % 2, class_names=("a", "b"))
    # files of earlier versions have no checksum, so that more damage is read
    record = {"name": "mine", "extractor": "net", "identity": "net 1", "modes": 3, "levels": [0, 255], "columns": {}}
    old = written(lambda path: save_file(views, path, {"genbench.features": json.dumps(record)}), folder)
    return [written(made.save, folder), old, old]


def pickles(_: Path) -> list[bytes]:
    moments = {"mu": MOMENTS.mean, "sigma": MOMENTS.covariance}
    contents: list[Any] = [moments, {"fid": moments, "detector": "x"}, {"mu": [1.0, 2.0], "sigma": [[1.0, 0], [0, 1]]}]
    return [pickle.dumps(each, protocol) for each in contents for protocol in (0, 2, 4)]


def archives(folder: Path) -> list[bytes]:
    other = saved(np.savez_compressed, mu=MOMENTS.mean.astype("f4"), sigma=MOMENTS.covariance.astype("f4"))
    return [written(lambda path: write_statistics(MOMENTS, path), folder), other]


NPY_PIECES = (b"'descr'", b"|O", b"<U3", b"<f2", b">f8", b"9" * 20, b"-", b"(", b"True", b"\xff" * 8)
PICKLE_PIECES = (b"\x8a\x04\xff\xff\xff\x7f", b"r\xff\xff\xff\x7f", b"cos\nsystem\n", b"(", b"h\x00", b"\x85", b"R")
KINDS = [
    Kind("x.npz", archives, lambda data, rng: mutated_zip(data, rng, NPY_PIECES), read_statistics),
    Kind("x.pkl", pickles, mutator(*PICKLE_PIECES), read_statistics),
    Kind("x.safetensors", features_files, mutated_safetensors, read_statistics),
    Kind("registry.json", registries, mutated_json_lines, read_registry),
    Kind(str(BLOCK), blocks, mutated_safetensors, read_block),
]


@pytest.mark.parametrize("count", trials(150, 1000))
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_damaged_statistics_are_read_or_refused_in_one_sentence(
    kind: Kind, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", "/dev/null/no")
    check_kind(kind, count, tmp_path)
