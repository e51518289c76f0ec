"""Conditional generation: the share of samples of the requested class, and the distance of each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import genbench
from genbench.derived_sources import Drawn
from genbench.errors import InputError
from genbench.features.features import Features
from genbench.metrics.class_conditional import ClassConditional, class_consistency
from genbench.metrics.frechet.metric import frechet_distance_of_rows
from genbench.plugs import registry


def test_consistency_is_the_share_of_samples_of_the_requested_class() -> None:
    consistency = class_consistency([0, 1, 1, 2], [0, 1, 2, 2])
    assert consistency.value == 0.75
    assert consistency.error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert consistency.per_class == {"0": 1.0, "1": 1.0, "2": 0.5}


def test_the_distance_per_class_is_the_mean_of_the_classes_distances() -> None:
    rng = np.random.default_rng(0)
    label = np.arange(400) % 2
    rows, reference_rows = (rng.standard_normal((400, 3)) + shift * label[:, None] for shift in (1.0, 1.5))
    generated = replace(Features.of(embedding=rows, mode=label), label=label)
    reference = replace(Features.of(embedding=reference_rows, mode=label), label=label)
    scores = {score.name: score for score in ClassConditional()(generated, reference, seed=0)}
    expected = [frechet_distance_of_rows(rows[label == each], reference_rows[label == each]) for each in (0, 1)]
    assert scores["fid_per_class"].value == pytest.approx(np.mean(expected), rel=1e-9)
    assert scores["fid_per_class"].error is not None


def test_without_classes_there_are_no_scores() -> None:
    plain = Features.of(embedding=np.eye(4), mode=np.arange(4))
    assert ClassConditional()(plain, plain, seed=0) == []


def test_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match=r"\[2\] and \[3\]"):
        class_consistency([0, 1], [0, 1, 2])


class Obedient:
    """A sampler of images whose gray level is the requested class."""

    classes = 3

    def sample(self, count: int, seed: int) -> np.ndarray:
        raise AssertionError("a sampler with classes must be called with labels")

    def sample_classes(self, labels: np.ndarray, seed: int) -> np.ndarray:
        return np.broadcast_to((labels * 10).astype(np.uint8)[:, None, None, None], (len(labels), 4, 4, 3))


def test_each_class_is_requested_in_turn() -> None:
    drawn = Drawn(Obedient(), 600, 0, "obedient")
    batches = list(drawn.batches(100))
    label = np.concatenate([batch.label.numpy() for batch in batches])
    gray = np.concatenate([batch.data[:, 0, 0, 0].numpy() for batch in batches])
    assert (label == np.arange(600) % 3).all()
    assert (gray == label * 10).all()
    assert (drawn.labels == label).all()


def test_nearly_all_real_digits_have_their_class() -> None:
    result = genbench.score("digits,split=train", reference="digits,split=test", features="digits", metrics="classes")
    assert result["class_consistency@digits"].value > 0.98


def test_the_metric_is_installed() -> None:
    assert registry.load("metrics", "classes") == ClassConditional()
