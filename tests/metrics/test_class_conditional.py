"""Conditional generation: the share of samples of the requested class, and the distance of each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

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


def test_the_distance_per_class_needs_no_predicted_class() -> None:
    # Inception and other networks of photographs predict none of the requested classes
    predicted = shifted_classes((60, 40), (0.5, 2.0), 0)
    plain = [replace(Features.of(embedding=side["embedding"]), label=side.label) for side in predicted]
    found, expected = (
        {score.name: (score.value, score.error) for score in ClassConditional()(*sides, seed=0)}
        for sides in (plain, predicted)
    )
    assert set(expected) - set(found) == {"class_consistency"}
    assert found == {name: value for name, value in expected.items() if name in found}


def test_without_predictions_the_reference_needs_classes_of_its_own() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (80, 4, 4, 3), dtype=np.uint8)
    labelled = [(torch.from_numpy(rows).permute(0, 3, 1, 2), torch.arange(80) % 2)]
    options = {"features": "pixels,size=2", "metrics": "classes"}
    found = genbench.score(labelled, reference=labelled, **options)
    assert [score.name for score in found.scores] == [
        "fd_per_class@pixels,size=2",
        "fd_per_class_debiased@pixels,size=2",
    ]
    with pytest.raises(InputError, match="needs the classes of array; give a folder with a sub-folder for each class"):
        genbench.score(labelled, reference=rows, **options)


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
    label = np.concatenate([batch.label for batch in batches])
    gray = np.concatenate([batch.data[:, 0, 0, 0] for batch in batches])
    assert (label == np.arange(600) % 3).all()
    assert (gray == label * 10).all()
    assert (drawn.labels == label).all()


def test_nearly_all_real_digits_have_their_class() -> None:
    result = genbench.score("digits,split=train", reference="digits,split=test", features="digits", metrics="classes")
    assert result["class_consistency@digits"].value > 0.98


def test_the_metric_is_installed() -> None:
    assert registry.load("metrics", "classes") == ClassConditional()


def sides_of_digits() -> tuple[Features, Features]:
    """Real digits: rows of classes 3 and 7 on one side, of all classes on the other, with right predictions."""
    rng = np.random.default_rng(0)
    label, reference_label = np.repeat([0, 1], 40), np.repeat(np.arange(10), 40)
    digit = np.array([3, 7])[label]
    generated = Features.of(embedding=digit[:, None] + rng.standard_normal((80, 2)), mode=digit)
    reference = Features.of(embedding=reference_label[:, None] + rng.standard_normal((400, 2)), mode=reference_label)
    names = tuple(str(digit) for digit in range(10))
    return (
        replace(generated, label=label, class_names=("03", "7"), modes=10, mode_names=names),
        replace(reference, label=reference_label, class_names=names),
    )


def test_class_folders_are_matched_to_the_classifier_and_to_the_reference_by_name() -> None:
    scores = {score.name: score for score in ClassConditional()(*sides_of_digits(), seed=0)}
    assert scores["class_consistency"].value == 1
    assert scores["class_consistency"].detail["per_class"] == {"3": 1.0, "7": 1.0}
    assert set(scores["fid_per_class"].detail["per_class"]) == {"3", "7"}
    assert scores["fid_per_class"].value < 1
    assert "lacks 0, 1, 2, 4, 5, ...: these 8 classes are left out" in scores["fid_per_class"].detail["warning"]


def test_folders_named_by_numbers_match_the_indices_of_a_classifier_without_names() -> None:
    generated, reference = sides_of_digits()
    score, *_ = ClassConditional()(replace(generated, mode_names=None), reference, seed=0)
    assert score.value == 1


def test_folders_that_no_class_of_the_classifier_is_called_are_refused() -> None:
    generated, reference = sides_of_digits()
    with pytest.raises(InputError, match=r"'cat', 'dog'.* are not those of the classifier"):
        ClassConditional()(replace(generated, class_names=("cat", "dog")), reference, seed=0)


def test_a_class_that_the_classifier_lacks_is_left_out_and_told() -> None:
    generated, reference = sides_of_digits()
    score, *_ = ClassConditional()(replace(generated, class_names=("3", "cat")), reference, seed=0)
    assert (score.value, score.detail["per_class"]) == (1.0, {"3": 1.0})
    assert "lacks cat: this class is left out" in score.detail["warning"]


def test_a_distance_per_class_has_an_error_although_that_of_one_class_is_0() -> None:
    rows = np.random.default_rng(0).standard_normal((40, 2))
    label = np.repeat([0, 1], 20)
    moved = rows.copy()
    # every row of class 0 is one point, so the error of its distance is 0
    constant = np.where(label[:, None] == 0, 0.0, rows)
    moved[label == 0] = 1.0
    moved[label == 1] += 1.0
    generated = replace(Features.of(embedding=constant, mode=label), label=label)
    reference = replace(Features.of(embedding=moved, mode=label), label=label)
    scores = {score.name: score for score in ClassConditional()(generated, reference, seed=0)}
    assert scores["fid_per_class"].error is not None


def shifted_classes(rows: tuple[int, ...], shifts: tuple[float, ...], seed: int) -> tuple[Features, Features]:
    """Classes of Gaussian rows in 3 dimensions, each moved away from its reference by its shift."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(rows)), rows)
    reference = rng.standard_normal((len(label), 3)) + 5 * label[:, None]
    generated = rng.standard_normal((len(label), 3)) + 5 * label[:, None] + np.array(shifts)[label][:, None]
    both = [replace(Features.of(embedding=side, mode=label), label=label) for side in (generated, reference)]
    return both[0], both[1]


def test_classes_are_ranked_by_their_distance_with_errors_and_counts() -> None:
    generated, reference = shifted_classes((200, 100, 150), (0.5, 2.0, 1.0), 0)
    scores = {score.name: score for score in ClassConditional()(generated, reference, seed=0)}
    classes = scores["fid_per_class"].detail["classes"]
    assert [each["name"] for each in classes] == ["1", "2", "0"]
    assert [(each["generated"], each["reference"]) for each in classes] == [(100, 100), (150, 150), (200, 200)]
    # the true distances are 3 shift^2
    for each, truth in zip(classes, (12.0, 3.0, 0.75), strict=True):
        assert abs(each["debiased"] - truth) < 4 * each["error"]
    mean = np.mean([each["debiased"] for each in classes])
    assert scores["fid_per_class_debiased"].value == pytest.approx(mean)
    assert scores["fid_per_class"].error == pytest.approx(np.sqrt(sum(each["error"] ** 2 for each in classes)) / 3)


def test_classes_with_few_rows_have_no_debiased_mean() -> None:
    generated, reference = shifted_classes((200, 5), (0.5, 2.0), 0)
    scores = {score.name: score for score in ClassConditional()(generated, reference, seed=0)}
    assert set(scores) == {"class_consistency", "fid_per_class"}
    assert [each["debiased"] is None for each in scores["fid_per_class"].detail["classes"]] == [True, False]


def test_the_error_of_the_mean_over_classes_agrees_with_its_spread() -> None:
    values, errors = [], []
    for seed in range(60):
        scores = {s.name: s for s in ClassConditional()(*shifted_classes((60, 60), (0.3, 0.6), seed), seed=0)}
        values.append(scores["fid_per_class_debiased"].value)
        errors.append(scores["fid_per_class_debiased"].error)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.3)
    # the mean of 3 * .3^2 and 3 * .6^2
    assert np.mean(values) == pytest.approx(0.675, abs=4 * np.std(values) / np.sqrt(60))
