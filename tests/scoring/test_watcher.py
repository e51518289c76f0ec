"""Scores inside a training loop: the numbers of ``score``, every k steps, and nothing on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genbench
from genbench.array_types import Array
from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.plugs.contracts import Batch
from genbench.scoring.watcher import Watcher
from genbench.sources.memory import ArraySource

HOW: dict[str, Any] = {"features": "digits", "metrics": "fd,is"}


@pytest.fixture
def images() -> torch.Tensor:
    """Gray images as a generator gives them: float32 [64, 1, 8, 8] in -1..1."""
    return torch.rand((64, 1, 8, 8), generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def levels(images: torch.Tensor) -> torch.Tensor:
    """The same images as uint8 [64, 1, 8, 8]."""
    return ((images + 1) * 127.5).round().to(torch.uint8)


class Counted(ArraySource):
    """A reference that counts how often its rows are read."""

    rows_read = 0

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        for batch in super().batches(size, start, stop):
            self.rows_read += len(batch.index)
            yield batch


def digits() -> Array:
    return np.random.default_rng(1).integers(0, 256, (100, 8, 8, 3), np.uint8)


def test_the_numbers_are_those_of_score(levels: torch.Tensor) -> None:
    found = Watcher("digits,split=test", **HOW)(0, levels)
    alone = genbench.score(levels, reference="digits,split=test", **HOW)
    assert found is not None
    assert found.values == alone.values
    assert found.protocol == alone.protocol


def test_only_every_k_th_step_is_scored(levels: torch.Tensor) -> None:
    watch = Watcher("digits,split=test", every=10, **HOW)
    assert [step for step in range(0, 31, 5) if watch(step, levels) is not None] == [0, 10, 20, 30]


def test_a_sampler_is_called_on_scored_steps_only() -> None:
    asked: list[int] = []

    def generate(count: int, seed: int) -> Array:
        asked.append(count)
        return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)

    watch = Watcher(digits(), every=10, count=50, **HOW)
    watch(5, generate)
    assert not asked
    found = watch(10, generate)
    assert found is not None
    assert found.generated.count == 50


def test_the_reference_is_looked_at_once(levels: torch.Tensor) -> None:
    reference = Counted(digits())
    watch = Watcher(reference, every=1, **HOW)
    first, second = watch(0, levels), watch(1, levels)
    assert reference.rows_read == len(reference)
    assert first is not None
    assert second is not None
    assert first.values == second.values


def test_nothing_is_written(levels: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watch = Watcher("digits,split=test", every=1, **HOW)
    for step in range(2):
        watch(step, levels)
    assert not list(Path(os.environ["GENBENCH_CACHE"]).rglob("*"))
    assert not list(tmp_path.iterdir())


def test_a_declared_range_is_that_of_the_bytes(images: torch.Tensor, levels: torch.Tensor) -> None:
    found = Watcher(digits(), range="-1..1", **HOW)(0, images)
    alone = genbench.score(levels, reference=digits(), **HOW)
    assert found is not None
    assert found.values == alone.values


def test_a_sampler_of_floats_is_scored_as_its_bytes(images: torch.Tensor, levels: torch.Tensor) -> None:
    found = Watcher(digits(), range="-1..1", count=64, **HOW)(0, lambda count: images.repeat(4, 1, 1, 1)[:count])
    alone = genbench.score(levels, reference=digits(), **HOW)
    assert found is not None
    assert found.values == alone.values


def test_a_tensor_with_a_gradient_is_scored(images: torch.Tensor) -> None:
    assert Watcher(digits(), range="-1..1", **HOW)(0, images.requires_grad_()) is not None


def test_floats_of_unknown_range_are_refused(images: torch.Tensor) -> None:
    with pytest.raises(InputError, match="range is not guessed"):
        Watcher(digits(), **HOW)(0, images)


def test_the_training_goes_on_with_its_own_randomness(levels: torch.Tensor) -> None:
    watch = Watcher(digits(), **HOW)
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    watch(0, levels)
    assert torch.equal(torch.rand(3), wanted)


def test_features_and_statistics_are_a_reference_too(levels: torch.Tensor) -> None:
    rows = genbench.features_of(digits(), features="digits")
    wanted = genbench.score(levels, reference=digits(), features="digits", metrics="fd").values
    assert isinstance(rows, Features)
    for reference in (rows, rows.moments()):
        found = Watcher(reference, every=1, features="digits", metrics="fd")(0, levels)
        assert found is not None
        assert found["fd@digits"].value == pytest.approx(wanted["fd@digits"])


def test_points_are_scored_as_points() -> None:
    points = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    found = Watcher("ring,count=500", metrics="fd")(0, points)
    assert found is not None
    assert found.scores[0].extractor == "points"


def test_results_are_logged_at_their_step(levels: torch.Tensor) -> None:
    class Kept:
        rows: list[tuple[str, int | None]]
        closed = False

        def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
            self.rows.append((run, step))

        def close(self) -> None:
            self.closed = True

    kept = Kept()
    kept.rows = []
    watch = Watcher(digits(), every=5, log_to=kept, **HOW)
    for step in range(11):
        watch(step, levels)
    watch.close()
    assert kept.rows == [("training", 0), ("training", 5), ("training", 10)]
    assert kept.closed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrics": "fdd"}, "There is no metric called 'fdd'"),
        ({"metrisc": "fd"}, "did you mean 'metrics'"),
        ({"every": 0}, "must be 1 step or more"),
        ({"cache": True}, "leave out cache"),
        ({"log_to": "wandv"}, "did you mean 'wandb'"),
    ],
)
def test_what_is_mistyped_is_said_before_the_training(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Watcher("digits,split=test", **options)


def test_a_second_extractor_is_refused(levels: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="one extractor; leave out the metrics of 'pixels'"):
        Watcher("digits,split=test", features="digits", metrics="fd,swd@pixels")(0, levels)


def test_a_sampler_with_a_declared_range_keeps_its_classes(images: torch.Tensor) -> None:
    class Sampler:
        classes, class_names = 2, ["dark", "bright"]

        def sample(self, count: int, seed: int) -> torch.Tensor:
            return images.repeat(4, 1, 1, 1)[:count]

        def sample_classes(self, labels: Array, seed: int) -> torch.Tensor:
            return torch.as_tensor(labels, dtype=torch.float32).mul(2).sub(1)[:, None, None, None].expand(-1, 1, 8, 8)

    class Bytes(Sampler):
        def sample_classes(self, labels: Array, seed: int) -> torch.Tensor:
            return ((super().sample_classes(labels, seed) + 1) * 127.5).round().to(torch.uint8)

    # the result is that of the same images as bytes, with their classes
    found, expected = (
        Watcher(digits(), features="digits", metrics="fd,vendi_per_class", count=64, **options)(0, sampler)
        for sampler, options in ((Sampler(), {"range": "-1..1"}), (Bytes(), {}))
    )
    assert found is not None
    assert expected is not None
    assert found.labels == "equal"
    assert found.generated.fingerprint == expected.generated.fingerprint
    assert found.values == expected.values


def test_a_name_that_score_takes_for_a_benchmark_is_refused() -> None:
    with pytest.raises(UsageError, match="'digits' is a benchmark for score"):
        Watcher("digits", **HOW)
