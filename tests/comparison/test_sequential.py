"""The rules of a sequential gate on simulated measurements."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from genbench.comparison.sequential import Look, Measured, SequentialRecord, judged, look_counts
from genbench.comparison.sequential_boundaries import rejection_rates

BASELINE = 1e-4
"""Variance of the baseline's score."""


def measurements(rng: np.random.Generator, excess: float, counts: list[int], spread: float = 1.0) -> list[Measured]:
    """Return the means of the first numbers of samples of standard deviation ``spread``, against a noisy baseline."""
    steps = np.diff(counts, prepend=0)
    means = (rng.standard_normal(len(counts)) * np.sqrt(steps) * spread).cumsum() / counts
    baseline = rng.standard_normal() * math.sqrt(BASELINE)
    made = []
    for count, mean in zip(counts, means, strict=True):
        own = spread / math.sqrt(count)
        made.append(Measured(count, 0.0, excess + mean - baseline, math.hypot(own, math.sqrt(BASELINE)), own))
    return made


def decided(looks: list[Look]) -> tuple[str, int]:
    """Return the first decision and the number of samples at it."""
    for look in looks:
        if look.outcome != "undecided":
            return look.outcome, look.measured.count
    return "undecided", looks[-1].measured.count


def test_looks_come_after_whole_blocks_and_grow() -> None:
    counts = list(look_counts(640, 10_000))
    assert counts[:4] == [768, 1024, 1280, 1536]
    assert counts[-1] == 10_000
    assert all(count % 256 == 0 for count in counts[:-1])
    assert len(counts) < 25
    assert list(look_counts(640, 500)) == [500]
    assert list(itertools.islice(look_counts(256, None), 3)) == [256, 512, 768]


def outcomes(seed: int, excess: float, most: int | None, paths: int) -> tuple[list[str], list[int]]:
    """Return the decisions of simulated paths, and the numbers of samples at them."""
    counts, rng = list(look_counts(640, 10_000)), np.random.default_rng(seed)
    made = [measurements(rng, excess, counts) for _ in range(paths)]
    # the errors are those of the first path, so the critical values are, too
    critical = [look.critical for look in judged(made[0], most, 0.05)]
    found = [decided([Look(*pair) for pair in zip(path, [0.0] * len(path), critical, strict=True)]) for path in made]
    return [outcome for outcome, _ in found], [count for _, count in found]


@pytest.mark.parametrize("most", [10_000, None])
def test_at_the_margin_both_wrong_decisions_are_rare(most: int | None) -> None:
    found, _ = outcomes(0, 0.0, most, 1000)
    # two standard errors of 1,000 paths
    for outcome in ("passed", "failed"):
        assert found.count(outcome) / 1000 < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize(("excess", "outcome"), [(0.2, "failed"), (-0.2, "passed")])
def test_a_clear_difference_is_decided_at_one_of_the_first_looks(excess: float, outcome: str) -> None:
    found, counts = outcomes(1, excess, 10_000, 100)
    assert set(found) == {outcome}
    assert np.mean(counts) < 1200


def test_later_looks_do_not_change_earlier_ones() -> None:
    counts = list(look_counts(640, 10_000))
    made = measurements(np.random.default_rng(2), 0.0, counts)
    assert judged(made[:3], 10_000, 0.05) == judged(made, 10_000, 0.05)[:3]


def test_a_score_that_is_not_finite_fails() -> None:
    assert judged([Measured(1024, math.nan, math.nan, 0.1, 0.1)], 10_000, 0.05)[0].outcome == "failed"


def test_without_noise_the_first_look_decides() -> None:
    assert judged([Measured(1024, 1.0, -0.1, 0.0, 0.0)], 10_000, 0.05)[0].outcome == "passed"


def test_a_record_survives_json_and_is_replayed() -> None:
    counts = list(look_counts(640, 4_000))
    looks = judged(measurements(np.random.default_rng(3), 0.2, counts), 4_000, 0.05)
    first = next(index for index, look in enumerate(looks) if look.outcome != "undecided")
    record = SequentialRecord("kid", "base", "5 %", 0.95, 4_000, "failed", tuple(looks[: first + 1]))
    read = SequentialRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert read == record
    assert read.replayed() == "failed"


def test_looks_whose_information_hardly_rises_keep_the_error_rate() -> None:
    # estimates of the errors may say that a look brought nothing
    made = [Measured(1000 + look, 0.0, 0.0, 0.1, 0.1) for look in range(4)]
    looks = judged([*made, Measured(5000, 0.0, 0.0, 0.05, 0.05)], 5000, 0.05)
    fractions = [look.fraction for look in looks]
    assert sum(rejection_rates([look.critical for look in looks], fractions)) == pytest.approx(0.05, abs=1e-3)
    rng = np.random.default_rng(5)
    steps = np.sqrt(np.diff(fractions, prepend=0.0))
    z = (rng.standard_normal((40_000, 5)) * steps).cumsum(axis=1) / np.sqrt(fractions)
    assert (z >= [look.critical for look in looks]).any(axis=1).mean() == pytest.approx(0.05, abs=0.005)
