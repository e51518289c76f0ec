"""Optional views are computed and stored only if a metric asks for them, and never mistaken for missing or complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.distributed import Ranks
from genbench.errors import PlugError
from genbench.extraction.extract import Extraction, extract
from genbench.extraction.feature_store import Block, Store
from genbench.features.features import Features
from genbench.sources.memory import ArraySource

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 3), np.uint8)


@dataclass(frozen=True)
class Network:
    """An extractor with the optional view ``corner``; it counts the samples that it computes."""

    scale: float = 1.0
    added_views: tuple[str, ...] = ()
    gives: tuple[str, ...] = ("embedding", "corner")
    computed: list[int] = field(default_factory=list)

    name = identity = "network"
    optional_views = ("corner",)

    def with_views(self, views: Sequence[str]) -> Network:
        return replace(self, added_views=tuple(views))

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        self.computed.append(len(data))
        views = {"embedding": data.float().mean(dim=(2, 3)) * self.scale, "corner": data[:, :, 0, 0].float()}
        return {view: views[view] for view in self.gives if view in ("embedding", *self.added_views)}


def features(extractor: Network, folder: Path) -> tuple[Features, int]:
    """Return the features of all images, and how many of them were computed."""
    extractor.computed.clear()
    extracted = extract(ArraySource(IMAGES), extractor, Extraction(Store(folder)))
    return extracted, sum(extractor.computed)


def test_a_stored_block_without_the_view_is_computed_once_more_and_keeps_its_other_views(tmp_path: Path) -> None:
    plain, computed = features(Network(), tmp_path)
    assert (plain.views, computed) == (("embedding",), 300)
    # another scale shows which embedding is used
    asked, computed = features(Network(scale=2.0, added_views=("corner",)), tmp_path)
    assert (asked.views, computed) == (("corner", "embedding"), 300)
    assert np.array_equal(asked["embedding"], plain["embedding"])
    assert np.array_equal(asked["corner"], IMAGES[:, 0, 0].astype(np.float32))
    assert features(Network(added_views=("corner",)), tmp_path)[1] == 0


def test_without_the_view_a_stored_block_with_it_is_used_and_does_not_show_it(tmp_path: Path) -> None:
    features(Network(added_views=("corner",)), tmp_path)
    plain, computed = features(Network(), tmp_path)
    assert (plain.views, computed) == (("embedding",), 0)
    plain.save(tmp_path / "x.safetensors")


def test_nothing_is_stored_for_a_view_that_was_not_asked_for(tmp_path: Path) -> None:
    features(Network(), tmp_path)
    assert [one.extractor for one in Store(tmp_path).extractors()] == ["network"]
    features(Network(added_views=("corner",)), tmp_path)
    assert sorted(one.extractor for one in Store(tmp_path).extractors()) == ["network", "network: corner"]


def test_a_damaged_file_of_the_view_is_computed_again(tmp_path: Path) -> None:
    first, _ = features(Network(added_views=("corner",)), tmp_path)
    rows = first["corner"]
    (folder,) = [one.path for one in Store(tmp_path).extractors() if one.extractor == "network: corner"]
    for file in folder.glob("??/*.safetensors"):
        file.write_bytes(file.read_bytes()[:-3])
    again, computed = features(Network(added_views=("corner",)), tmp_path)
    assert computed == 300
    assert np.array_equal(again["corner"], rows)


def test_a_stored_block_of_another_length_is_replaced_with_its_view(tmp_path: Path) -> None:
    # a guest's source may give one hash to blocks of different lengths
    Store(tmp_path).put("network", "abcd", Block({"embedding": np.zeros((99, 3), np.float32)}))
    source = ArraySource(IMAGES[:100])
    source.digest = lambda start, stop: "abcd"  # type: ignore[method-assign]
    extracted = extract(source, Network(added_views=("corner",)), Extraction(Store(tmp_path)))
    assert [len(extracted[view]) for view in ("embedding", "corner")] == [100, 100]


def test_a_view_that_does_not_come_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlugError, match=r"'network' was asked for the view 'corner' and gave embedding only"):
        features(Network(added_views=("corner",), gives=("embedding",)), tmp_path)


def test_without_a_store_the_view_is_in_memory() -> None:
    extracted = extract(ArraySource(IMAGES), Network(added_views=("corner",)))
    assert extracted.views == ("corner", "embedding")


def test_processes_exchange_the_view_through_the_store(tmp_path: Path) -> None:
    # two threads with a common store of hashes stand for two processes
    exchange = torch.distributed.HashStore()  # type: ignore[attr-defined]
    networks = [Network(added_views=("corner",)) for _ in range(2)]

    def extracted(rank: int) -> Features:
        ranks = Ranks(rank, 2, exchange)
        return extract(ArraySource(IMAGES), networks[rank], Extraction(Store(tmp_path), ranks=ranks, progress=False))

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(extracted, range(2)))
    assert [sum(network.computed) for network in networks] == [256, 44]
    for features_of_rank in results:
        assert np.array_equal(features_of_rank["corner"], IMAGES[:, 0, 0].astype(np.float32))
