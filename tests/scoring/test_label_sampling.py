"""Label sampling: which classes are requested of a sampler, how the record says it, and what may be compared."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import genbench
from genbench.cli import main
from genbench.comparison.leaderboard import leaderboard
from genbench.derived_sources import Drawn
from genbench.features.features import Features
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.metrics.frechet.sides import has_strata
from genbench.plugs.requested_classes import LABEL_RULES, RequestedClasses, proportional_period
from genbench.results import Result, read_results
from genbench.scoring.label_sampling import with_requests

COUNTS = np.array([5, 2, 0, 9])
CENTRES = np.array([[0.0, 0], [6, 0], [0, 6], [6, 6]])


class Painter:
    """A sampler of points near the centre of the requested class."""

    classes = 4

    def sample(self, count: int, seed: int) -> np.ndarray:
        raise AssertionError("a sampler with classes must be called with labels")

    def sample_classes(self, labels: np.ndarray, seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).standard_normal((len(labels), 2))
        return (CENTRES[labels] + noise).astype(np.float32)


def reference_features(names: tuple[str, ...] | None = None) -> Features:
    label = np.repeat(np.arange(4), COUNTS * 10)
    rows = CENTRES[label] + np.random.default_rng(0).standard_normal((len(label), 2))
    return replace(Features.of(embedding=rows.astype(np.float32)), label=label, class_names=names)


def drawn(rule: str, count: int = 1000, seed: int = 3) -> Drawn:
    return with_requests(Drawn(Painter(), count, seed, "painter"), rule, reference_features())


def scored(labels: str | None, **options: object) -> Result:
    options = {"metrics": "fd", "features": "points", "count": 400, "reference": reference_features(), **options}
    return genbench.score(Painter(), labels=labels, name="painter", **options)


@pytest.mark.parametrize("rule", LABEL_RULES)
def test_the_classes_of_fewer_samples_are_the_first_of_those_of_more(rule: str) -> None:
    assert (drawn(rule, 500).labels == drawn(rule, 1000).labels[:500]).all()


@pytest.mark.parametrize("rule", LABEL_RULES)
def test_the_classes_do_not_depend_on_the_batches(rule: str) -> None:
    source = drawn(rule, 700)
    for size in (1, 97, 300):
        label = np.concatenate([batch.label for batch in source.batches(size)])
        assert (label == source.labels).all()
    # a batch in the middle has its classes, too
    (batch,) = source.batches(50, 300, 350)
    assert (batch.label == source.labels[300:350]).all()


def test_equal_requests_take_turns() -> None:
    assert (drawn("equal").labels == np.arange(1000) % 4).all()


def test_random_requests_are_uniform_and_independent_draws_of_the_seed() -> None:
    label = RequestedClasses("random", 4, 3).between(0, 40_000)
    counts = np.bincount(label, minlength=4)
    # chi-square of equal shares with 3 degrees of freedom, and of the pairs of neighbours with 15
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 16.3
    pairs = np.bincount(label[::2] * 4 + label[1::2], minlength=16)
    assert ((pairs - 1250) ** 2 / 1250).sum() < 37.7
    assert (RequestedClasses("random", 4, 3).between(0, 100) == label[:100]).all()
    assert (RequestedClasses("random", 4, 4).between(0, 100) != label[:100]).any()


def test_requests_in_the_proportions_of_the_reference_have_its_counts() -> None:
    label = drawn("reference", int(COUNTS.sum()) * 10).labels
    assert (np.bincount(label, minlength=4) == COUNTS * 10).all()
    # every beginning is within one sample of the proportions
    for count in range(1, 161):
        expected = count * COUNTS / COUNTS.sum()
        assert np.abs(np.bincount(label[:count], minlength=4) - expected).max() < 1


def test_equal_proportions_give_each_class_in_turn() -> None:
    assert proportional_period(np.array([30, 30, 30])).tolist() == [0, 1, 2]


def test_a_hand_made_apportionment() -> None:
    # turns of class 0: 1/10, 3/10, 5/10, 7/10, 9/10; of class 1: 1/4, 3/4; of class 3: 1/2
    assert proportional_period(np.array([5, 2, 0, 1])).tolist() == [0, 1, 0, 0, 3, 0, 1, 0]


def test_classes_are_matched_by_the_names_of_the_reference() -> None:
    # the reference calls its classes 3, 0, 1, 2, so its class 0 is the sampler's class 3
    source = with_requests(Drawn(Painter(), 160, 0, "painter"), "reference", reference_features(("3", "0", "1", "2")))
    assert np.bincount(source.labels, minlength=4).tolist() == [20, 0, 90, 50]


def test_classes_of_the_reference_that_the_sampler_lacks_are_told() -> None:
    # the sampler has no class 4
    known = reference_features()
    assert known.label is not None
    result = scored("reference", reference=replace(known, label=np.where(known.label == 3, 4, known.label)))
    assert any("90 of 160 reference samples" in warning for warning in result.warnings)


def test_a_reference_without_classes_is_refused() -> None:
    with pytest.raises(genbench.UsageError, match="needs the classes of the reference"):
        scored("reference", reference=replace(reference_features(), label=None))


def test_an_unknown_rule_gets_a_suggestion() -> None:
    with pytest.raises(genbench.UsageError, match="no label sampling 'randm', did you mean 'random'"):
        scored("randm")


def test_a_benchmark_fixes_the_rule() -> None:
    with pytest.raises(genbench.UsageError, match="fixes its labels; leave out --labels"):
        genbench.score("digits,split=train", "digits", labels="random")


def test_the_rule_is_recorded_and_survives_the_file(tmp_path: Path) -> None:
    results = [scored(None), scored("random"), scored("reference")]
    for result in results:
        result.append(tmp_path / "r.jsonl")
    assert [result.labels for result in read_results(tmp_path / "r.jsonl")] == ["equal", "random", "reference"]
    # the samples differ, and so does the distance
    assert len({result["fd@points"].value for result in results}) == 3


def test_results_of_different_rules_are_not_compared() -> None:
    with pytest.raises(genbench.InputError, match=r"labels: equal .*random"):
        genbench.compare([scored("equal")], [replace(scored("random"), name="other")])
    with pytest.raises(genbench.InputError, match="labels"):
        leaderboard([scored("equal"), replace(scored("random"), name="other")], "fd@points")


def test_a_sampler_without_classes_may_be_compared_with_any_rule() -> None:
    plain = genbench.score(
        lambda count, seed: np.random.default_rng(seed).standard_normal((count, 2)).astype(np.float32),
        metrics="fd", features="points", count=400, reference=reference_features(), name="plain", labels="random",
    )  # fmt: skip
    assert plain.labels == ""
    assert any("--labels random changes nothing" in hint for hint in plain.hints)
    genbench.compare([plain], [scored("random")])


def test_an_older_result_of_requested_classes_means_equal_counts() -> None:
    old = replace(scored("equal", metrics="fd"), labels=None, name="old")
    assert old.label_rule == ""
    (entry,) = [entry for entry in old.scores if entry.name == "fd@points"]
    of_classes = replace(old, scores=(*old.scores, replace(entry, name="class_consistency@points")))
    assert of_classes.label_rule == "equal"
    assert of_classes.protocol["labels"] == "equal"


def test_written_samples_are_those_that_are_scored_with_the_same_rule(tmp_path: Path) -> None:
    spec, out = "tests.scoring.test_label_sampling:Painter", tmp_path / "points.npy"
    words = ["sample", spec, "--count", "300", "--seed", "3", "--labels", "random", "--out", str(out), "--quiet"]
    assert CliRunner().invoke(main, words).exit_code == 0
    expected = np.concatenate([batch.data for batch in drawn("random", 300).batches(256)])
    assert (np.load(out) == expected).all()


def test_folders_of_classes_say_whether_their_counts_are_equal(tmp_path: Path) -> None:
    for name, count in (("a", 12), ("b", 14)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = np.random.default_rng([number, count]).integers(0, 255, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    result = genbench.score(tmp_path, reference=tmp_path, metrics="fd", features="pixels,size=2")
    assert (result.labels, result.label_rule) == ("given, unequal counts", "")
    assert "labels" not in result.protocol


def test_the_table_tells_of_requests_that_are_not_equal() -> None:
    from genbench.tables.result_table import result_text

    assert re.search(r"features: points, --labels random, on", result_text(scored("random")))
    assert "--labels" not in result_text(scored("equal"))


@pytest.mark.parametrize(("rule", "label", "stratified"), [
    ("random", np.arange(40) % 2, False), ("", np.arange(40) % 2, True), ("equal", np.arange(40) % 2, True),
    ("reference", np.minimum(np.arange(40) // 10, 1), True), ("", np.minimum(np.arange(40) // 10, 1), False),
])  # fmt: skip
def test_only_fixed_numbers_of_classes_are_strata(rule: str, label: np.ndarray, stratified: bool) -> None:
    features = replace(Features.of(embedding=np.zeros((40, 2))), label=label, label_rule=rule)
    assert has_strata(features) is stratified


@pytest.mark.parametrize("rule", LABEL_RULES)
def test_the_error_of_the_distance_fits_to_the_label_sampling(rule: str) -> None:
    reference = reference_features().moments()
    values, errors = [], []
    for seed in range(60):
        # 162 samples do not have the proportions of the reference exactly
        source = drawn(rule, 162, seed)
        rows = np.concatenate([batch.data for batch in source.batches(256)])
        features = Features([{"embedding": rows}], label=source.labels, label_rule=source.label_rule)
        score = FrechetDistance()(features, reference, seed=0)[0]
        values.append(score.value)
        errors.append(score.error)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.25)
