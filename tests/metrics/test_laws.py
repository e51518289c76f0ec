"""Laws of all registered metrics; they test a new metric without any new line."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from genbench.features.features import Features
from genbench.plugs import registry
from genbench.plugs.contracts import Score

MODES, DIMENSIONS, COUNT = 10, 6, 1000
NEEDED = {"rke": "rke,sigma=1", "rrke": "rrke,sigma=1,rows=200"}
"""Metrics with an option that has no default, and the spec to test."""
OF_KNOWN_DENSITY = {"divergences"}
"""Metrics that compare samples with a density; test_divergences.py tests them."""
METRICS = [NEEDED.get(name, name) for name in registry.installed("metrics") if name not in OF_KNOWN_DENSITY]
DISTANCES = {"fid", "fd", "sfid", "kid", "mind", "swd"}

BLIND = {
    # a wider cloud reaches further: noise does not lower recall, raises diversity, and hides copies, and MiFID is lower
    # for samples that are farther from the training samples
    "noise": {
        *("recall", "recall_k5", "p_recall", "modes", "vendi", "vendi_per_class", "rke", "memorised", "mifid"),
        *("msssim", "msssim_per_class", "lpips", "lpips_per_class"),
        # a linear classifier of equally wide classes cuts at the same place, however wide they are
        "tstr",
    },
    # the remaining samples of a collapsed model are as good as before: fidelity does not measure missing modes
    "drop": {
        *("precision", "precision_k5", "p_precision", "density", "clipped_density", "high_quality"),
        *("class_consistency", "fid_per_class", "fid_per_class_debiased", "vendi_per_class", "memorised"),
        *("msssim_per_class", "lpips_per_class"),
    },
}
"""Scores that do not measure a kind of damage."""


def sample(seed: int, *, noise: float = 0.0, left: int = MODES, count: int = COUNT) -> Features:
    """Draw from a mixture of Gaussians with known posteriors; ``noise`` widens it, ``left`` modes remain."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).standard_normal((MODES, DIMENSIONS)) * 3
    label = rng.integers(left, size=count)
    embedding = means[label] + rng.standard_normal((count, DIMENSIONS)) * np.hypot(0.5, noise)
    squared = ((embedding[:, None] - means) ** 2).sum(axis=2)
    features = Features.of(
        embedding=embedding.astype(np.float32),
        spatial=np.maximum(embedding, 0).astype(np.float32),
        logits=(-squared / 4).astype(np.float32),
        mode=squared.argmin(axis=1),
        quality=np.sqrt(squared.min(axis=1)) < 0.5 * 4,
        spectrum=np.log1p(embedding**2).astype(np.float32),
        image=pictures(embedding),
        perceptual=embedding.astype(np.float16),
        modes=MODES,
    )
    return replace(features, label=label)


def pictures(rows: np.ndarray) -> np.ndarray:
    """Return uint8 [N, 3, 16, 16]: each channel is the sum of two waves, with the coordinates as amplitudes."""
    place = np.arange(16) / 16
    wave = np.sin(2 * np.pi * np.outer(np.arange(1, 3), place))
    planes = np.einsum("nck,kw->ncw", rows.reshape(-1, 3, 2), wave)
    return np.clip(128 + 20 * np.repeat(planes[:, :, None], 16, axis=2), 0, 255).round().astype(np.uint8)


def scores(metric: str, generated: Features, reference: Features) -> dict[str, Score]:
    plug = registry.load("metrics", metric)
    train = {"train": sample(3)} if getattr(plug, "training_rows", None) == "needed" else {}
    return {score.name: score for score in plug(generated, reference, seed=0, **train)}


@cache
def plain(metric: str) -> dict[str, Score]:
    return scores(metric, sample(1), sample(2))


def agree(changed: dict[str, Score], expected: dict[str, Score], *, share_of_error: float = 0.0) -> None:
    assert changed.keys() == expected.keys()
    for name, score in expected.items():
        allowed = max(1e-6 * abs(score.value), 1e-9, share_of_error * (score.error or 0.0))
        if share_of_error and "splits" in score.detail:  # the mean over other splits differs by chance
            spread = max(score.detail["std"], changed[name].detail["std"])
            allowed = 3 * spread / np.sqrt(score.detail["splits"])
        assert abs(changed[name].value - score.value) <= allowed, name


def permuted(features: Features, seed: int = 0) -> Features:
    order = np.random.default_rng(seed).permutation(len(features))
    views: dict[str, Any] = {view: features[view][order] for view in features.views}
    assert features.label is not None
    return replace(Features.of(modes=features.modes, **views), label=features.label[order])


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_the_samples_does_not_matter(metric: str) -> None:
    # splits, subsets, folds and halves depend on positions: scores may change by as much as the error
    agree(scores(metric, permuted(sample(1)), permuted(sample(2), 1)), plain(metric), share_of_error=1.0)


@pytest.mark.parametrize("metric", METRICS)
def test_the_same_run_gives_the_same_bits(metric: str) -> None:
    again = scores(metric, sample(1), sample(2))
    assert {name: (score.value, score.error) for name, score in again.items()} == {
        name: (score.value, score.error) for name, score in plain(metric).items()
    }


@pytest.mark.parametrize("metric", METRICS)
def test_the_blocks_of_rows_do_not_matter(metric: str) -> None:
    def cut(features: Features) -> Features:
        blocks = [
            {view: features[view][start : start + 77] for view in features.views} for start in range(0, COUNT, 77)
        ]
        return Features(blocks, modes=MODES, label=features.label)

    agree(scores(metric, cut(sample(1)), cut(sample(2))), plain(metric))


@pytest.mark.parametrize("metric", METRICS)
def test_the_number_of_threads_does_not_matter(metric: str) -> None:
    with threadpool_limits(1):
        one = scores(metric, sample(1), sample(2))
    with threadpool_limits(2):
        agree(scores(metric, sample(1), sample(2)), one)


@pytest.mark.parametrize("metric", METRICS)
def test_a_set_is_no_worse_against_itself_than_against_another(metric: str) -> None:
    itself, other = scores(metric, sample(2), sample(2)), plain(metric)
    for name, score in other.items():
        sign = {"lower": 1, "higher": -1, None: 0}[score.better]
        headline = metric in DISTANCES and name == next(iter(other))
        slack = 1e-6 if headline else 1e-6 + 3 * (score.error or 0.0)
        assert sign * itself[name].value <= sign * score.value + slack, name
    if metric in DISTANCES:
        assert next(iter(itself.values())).value <= 1e-6


@pytest.mark.parametrize("metric", sorted(DISTANCES))
def test_a_distance_is_symmetric(metric: str) -> None:
    forward, backward = plain(metric), scores(metric, sample(2), sample(1))
    headline = next(iter(forward))
    assert backward[headline].value == pytest.approx(forward[headline].value, rel=1e-6)


@pytest.mark.parametrize("metric", ["pr", "prdc", "sympr", "pppr"])
def test_precision_is_recall_with_the_sides_exchanged(metric: str) -> None:
    forward, backward = plain(metric), scores(metric, sample(2), sample(1))
    form = {"prdc": "{}_k5", "sympr": "sym_{}", "pppr": "p_{}"}.get(metric, "{}")
    precision, recall = forward[form.format("precision")].value, backward[form.format("recall")].value
    assert precision == pytest.approx(recall, rel=1e-12)


DAMAGE = {
    "noise": [{"noise": level} for level in (0.0, 0.7, 1.5, 3.0)],
    "drop": [{"left": left} for left in (10, 7, 4, 1)],
}


@pytest.mark.parametrize("kind", sorted(DAMAGE))
@pytest.mark.parametrize("metric", METRICS)
def test_growing_damage_makes_every_score_worse(metric: str, kind: str) -> None:
    levels = [scores(metric, sample(1, **level), sample(2)) for level in DAMAGE[kind]]
    for name, score in levels[0].items():
        if score.better is None or name in BLIND[kind]:
            continue
        sign = 1 if score.better == "lower" else -1
        badness = [sign * level[name].value for level in levels]
        slack = [2 * (level[name].error or 0.0) for level in levels]
        assert badness[-1] > badness[0], f"{name}: {badness}"
        assert all(b >= a - s for a, b, s in zip(badness, badness[1:], slack[1:], strict=False)), f"{name}: {badness}"


@pytest.mark.parametrize("metric", METRICS)
def test_every_score_is_plain_data_with_a_valid_error(metric: str) -> None:
    for score in plain(metric).values():
        assert isinstance(score.value, float)
        assert score.error is None or score.error >= 0
        assert score.better in ("lower", "higher", None)
        assert score.key != ""
