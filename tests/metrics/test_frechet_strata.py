"""Frechet distances of stratified samples: as many rows of each class as of any other."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.features.features import Features, Moments
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.metrics.frechet.sides import GaussianSide, blocks_of
from genbench.plugs.contracts import Score


def test_equal_numbers_of_rows_per_class_are_strata() -> None:
    # classes far apart: without strata their numbers would add to the error
    centres = np.array([[0.0, 0], [10.0, 0]])
    reference = Moments(np.zeros(2), np.eye(2))

    def distance(rng: np.random.Generator, labels: np.ndarray, known: bool) -> Score:
        rows = centres[labels] + rng.standard_normal((len(labels), 2))
        features = Features([{"embedding": rows}], label=labels if known else None)
        return FrechetDistance()(features, reference, seed=0)[0]

    balanced = np.arange(200) % 2
    drawn = [distance(np.random.default_rng([23, seed]), balanced, known=True) for seed in range(60)]
    spread = np.std([score.value for score in drawn], ddof=1)
    assert np.mean([score.error for score in drawn]) == pytest.approx(spread, rel=0.25)
    assert distance(np.random.default_rng(24), balanced, known=False).error > 2 * spread


def test_the_debiased_distance_of_stratified_samples_has_no_bias() -> None:
    # classes far apart: blocks with random classes would estimate a bias that such samples lack
    centres = 6 * np.random.default_rng(0).standard_normal((10, 16))

    def draw(rng: np.random.Generator) -> Features:
        labels = rng.permutation(np.arange(100) % 10)
        return Features([{"embedding": centres[labels] + rng.standard_normal((100, 16))}], label=labels)

    values = []
    for seed in range(30):
        rng = np.random.default_rng([25, seed])
        scores = FrechetDistance()(draw(rng), draw(rng), seed=0)
        values.append(next(score.value for score in scores if score.name == "fid_debiased"))
    # random blocks give a mean of -25
    assert abs(np.mean(values)) < 0.5


@pytest.mark.parametrize(("blocks", "of_each_class"), [(20, 1), (5, 4)])
def test_each_block_has_the_same_part_of_every_class(blocks: int, of_each_class: int) -> None:
    labels = np.random.default_rng(26).permutation(np.arange(120) % 6)
    rows = np.random.default_rng(27).standard_normal((120, 2))
    side = GaussianSide.of(Features([{"embedding": rows}], label=labels), "embedding")
    table = np.zeros((blocks, 6), int)
    np.add.at(table, (blocks_of(side, blocks, 0), labels), 1)
    assert (table == of_each_class).all()


@pytest.mark.parametrize(("classes", "rows"), [(4, 30), (10, 25), (3, 47)])
def test_blocks_of_strata_have_nearly_equal_sizes_and_parts_of_every_class(classes: int, rows: int) -> None:
    label = np.repeat(np.arange(classes), rows)
    features = Features([{"embedding": np.random.default_rng(0).standard_normal((len(label), 4))}], label=label)
    blocks = blocks_of(GaussianSide.of(features, "embedding"), 20, 0)
    sizes = np.bincount(blocks, minlength=20)
    assert sizes.max() - sizes.min() <= 2
    for each in range(classes):
        parts = np.bincount(blocks[label == each], minlength=20)
        assert parts.max() - parts.min() <= 1
