"""PRD: closed forms of histograms, total variation, exchange of the sides, missing and invented modes."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.precision_recall_curve import ANGLES, PrecisionRecallCurve, joint_labels, prd_curve
from genbench.plugs.contracts import Score


def random_histogram(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(20))


def modes(count: int, left: int, seed: int) -> np.ndarray:
    """Draw from the first ``left`` of 10 modes that lie far apart."""
    rng = np.random.default_rng(seed)
    centres = 20 * np.eye(10)[rng.integers(left, size=count)]
    return (centres + 0.1 * rng.standard_normal((count, 10))).astype(np.float32)


def scores(generated: np.ndarray, reference: np.ndarray, clusters: int = 20) -> dict[str, Score]:
    metric = PrecisionRecallCurve(clusters)
    found = metric(Features.of(embedding=generated), Features.of(embedding=reference), seed=0)
    return {score.name: score for score in found}


@pytest.mark.parametrize("seed", range(5))
def test_at_slope_1_precision_is_1_minus_the_total_variation(seed: int) -> None:
    q, p = random_histogram(seed), random_histogram(seed + 100)
    curve = prd_curve(q, p)
    assert curve.slopes[ANGLES // 2] == pytest.approx(1.0)
    assert curve.precision[ANGLES // 2] == pytest.approx(1 - 0.5 * np.abs(q - p).sum(), abs=1e-12)
    assert curve.recall[ANGLES // 2] == pytest.approx(curve.precision[ANGLES // 2])


def test_each_point_is_the_sum_of_the_formula() -> None:
    q, p = random_histogram(1), random_histogram(2)
    curve = prd_curve(q, p)
    for at in (1, 130, 700, 999):
        slope = np.tan(np.pi / 2 * at / 1000)
        assert curve.precision[at] == pytest.approx(sum(min(slope * b, a) for a, b in zip(q, p, strict=True)), rel=1e-6)
        assert curve.recall[at] == pytest.approx(sum(min(b, a / slope) for a, b in zip(q, p, strict=True)), rel=1e-6)


def test_equal_histograms_have_f_scores_of_1_and_disjoint_ones_of_0() -> None:
    q = random_histogram(1)
    assert prd_curve(q, q).best(8)[0] == pytest.approx(1.0)
    assert prd_curve([1.0, 0.0], [0.0, 1.0]).best(8)[0] == 0


def test_half_of_the_modes_give_the_closed_form() -> None:
    # alpha(l) = min(l / 2, 1), so the best slope is 2: precision 1 and recall 1/2
    curve = prd_curve(np.repeat([0.2, 0.0], 5), np.full(10, 0.1))
    assert curve.best(8)[0] == pytest.approx(65 / 129, abs=1e-3)
    assert curve.best(1 / 8)[0] == pytest.approx(65 / 66, abs=1e-3)
    assert curve.best(1)[0] == pytest.approx(2 / 3, abs=1e-3)


def test_a_missing_mode_lowers_f8_and_an_invented_one_f1_8() -> None:
    whole, half = modes(1000, 10, 1), modes(1000, 5, 2)
    missing, invented = scores(half, whole, 10), scores(whole, half, 10)
    assert missing["prd_f8"].value == pytest.approx(65 / 129, abs=0.03)
    assert missing["prd_f1_8"].value == pytest.approx(65 / 66, abs=0.03)
    assert invented["prd_f1_8"].value == pytest.approx(missing["prd_f8"].value, abs=1e-9)


def test_the_detail_holds_the_curve_whose_middle_is_the_overlap() -> None:
    generated, reference = modes(300, 6, 1), modes(300, 10, 2)
    detail = scores(generated, reference, 10)["prd_f8"].detail
    middle = len(detail["curve_precision"]) // 2
    assert detail["curve_precision"][middle] == detail["curve_recall"][middle] == pytest.approx(detail["overlap"])
    # the mean over the runs of 1 minus the total variation
    seeds = np.random.default_rng(0).integers(2**31, size=10).tolist()
    overlaps = []
    for ours, theirs in zip(*joint_labels(generated, reference, clusters=10, seeds=seeds), strict=True):
        q, p = (np.bincount(side, minlength=10) / 300 for side in (ours, theirs))
        overlaps.append(1 - 0.5 * np.abs(q - p).sum())
    assert detail["overlap"] == pytest.approx(np.mean(overlaps), abs=1e-12)


def test_the_order_of_the_rows_and_their_side_do_not_change_the_clusters() -> None:
    x, y = modes(60, 10, 1), modes(50, 7, 2)
    (ours,), (theirs,) = joint_labels(x, y, clusters=5, seeds=[3])
    (again,), (others,) = joint_labels(y[::-1], x, clusters=5, seeds=[3])
    assert (others == ours).all()
    assert (again[::-1] == theirs).all()


def test_equal_distributions_have_the_expected_value_of_the_detail() -> None:
    for score in scores(modes(1000, 10, 1), modes(1000, 10, 2)).values():
        assert score.error is not None
        assert abs(score.value - score.detail["expected"]) < 4 * score.error


def test_fewer_rows_than_clusters_and_unequal_counts_are_reported() -> None:
    with pytest.raises(InputError, match="at least as many reference rows, not 10"):
        scores(modes(100, 10, 1), modes(10, 10, 2))
    assert "compare scores of prd only" in scores(modes(100, 10, 1), modes(60, 10, 2))["prd_f8"].detail["warning"]
    with pytest.raises(UsageError, match="at least 2 clusters"):
        PrecisionRecallCurve(clusters=1)


@pytest.mark.parametrize("shift", [1.0, pytest.param(0.0, marks=pytest.mark.slow)])
def test_errors_agree_with_the_spread_over_repeated_samples(shift: float) -> None:
    # near equal distributions the errors need more than 15 rows per cluster and side
    values, errors, count = [], [], 300 if shift else 1500
    for i in range(30):
        rng = np.random.default_rng(i)
        x, y = rng.standard_normal((count, 4)) + shift / 2, rng.standard_normal((count, 4))
        found = PrecisionRecallCurve(runs=4)(Features.of(embedding=x), Features.of(embedding=y), seed=i)
        values.append([score.value for score in found])
        errors.append([score.error for score in found])
    ratio = np.sqrt(np.mean(np.square(np.array(errors, float)), axis=0)) / np.std(values, axis=0, ddof=1)
    assert ((ratio > 0.6) & (ratio < 1.7)).all(), ratio
