"""Precision, recall, density and coverage: which samples lie in the balls that reach a sample's k-th neighbour."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from genbench.arrays import Float64
from genbench.errors import UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import influence_of
from genbench.metrics.neighbours import BallSurvey, Moves
from genbench.metrics.pair_sums import TILE, evaluate_together, pair_of, take_surveys
from genbench.plugs.contracts import Score

UNEQUAL = 0.05
"""From this share of the larger count on, unequal counts are worth a warning."""


@dataclass(frozen=True)
class PrecisionRecall:
    """Improved precision and recall: ``precision_recall`` of the embeddings."""

    k: int = 3

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    evaluate_together: ClassVar[Callable[..., list[list[Score]]]] = staticmethod(evaluate_together)
    strict: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self.k)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        return evaluate_together([self], generated, reference, seed=seed)[0]

    def survey(self) -> type[BallSurvey]:
        """The pass over the Gram matrix that it reads."""
        return BallSurvey

    def scores(self, survey: BallSurvey) -> list[Score]:
        """Return precision, recall and their harmonic mean."""
        found = survey.estimate(self)
        names = ("precision", "recall", "f_score")
        moves = survey.moves(self)
        return [_score(name, found[name], {}, survey, moves[name]) for name in names]


@dataclass(frozen=True)
class DensityCoverage:
    """Density and coverage: ``density_coverage`` of the embeddings, and precision and recall of that convention."""

    k: int = 5

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    evaluate_together: ClassVar[Callable[..., list[list[Score]]]] = staticmethod(evaluate_together)
    strict: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.k)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        return evaluate_together([self], generated, reference, seed=seed)[0]

    def survey(self) -> type[BallSurvey]:
        """The pass over the Gram matrix that it reads."""
        return BallSurvey

    def scores(self, survey: BallSurvey) -> list[Score]:
        """Return density, coverage, and the strict precision and recall with k in their names."""
        found = survey.estimate(self)
        expected = {"density": 1.0, "coverage": expected_coverage(*survey.counts, self.k)}
        moves, convention = survey.moves(self), {"precision": f"_k{self.k}", "recall": f"_k{self.k}"}
        return [
            _score(name + convention.get(name, ""), found[name], detail, survey, moves[name])
            for name in ("density", "coverage", "precision", "recall")
            for detail in [{"expected": expected[name]} if name in expected else {}]
        ]


@dataclass(frozen=True)
class Fidelity:
    """Shares of samples in the other side's balls; every error is a standard error, None with too few rows."""

    precision: float
    recall: float
    f_score: float
    precision_error: float | None
    recall_error: float | None
    f_score_error: float | None


@dataclass(frozen=True)
class Coverage:
    """Density and coverage, and precision and recall by the same strict rule."""

    density: float
    coverage: float
    precision: float
    recall: float
    density_error: float | None
    coverage_error: float | None
    precision_error: float | None
    recall_error: float | None


def precision_recall(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    k: int = PrecisionRecall.k,
    seed: int = 0,
    tile: int = TILE,
) -> Fidelity:
    """Return the share of generated rows in the reference's balls (precision) and the other way round (recall).

    ``P = mean_j [exists i: |x_j - y_i| <= r_i]``, r_i the distance from y_i to its k-th neighbour among the reference.
    Kynkaanniemi et al. 2019 (arXiv 1904.06991); agrees with ADM and torch-fidelity (f_score = 2 P R / (P + R)). All in
    0..1. At equal distributions they are far below 1 in many dimensions: compare with a held-out set, never with 1; and
    compare at equal counts. Errors: half the root mean square difference between the two halves of 20 splits of both
    sides by ``seed``; a jackknife would be up to twice too wide here, for neighbours interact.

    Rows are [N, D] and [M, D]; neighbours are exact, in float64 where rounding could decide. Raises InputError where a
    side has no more than k rows, or rows are not finite or differ in width.
    """
    survey, metric = _survey(PrecisionRecall(k), generated, reference, seed, tile)
    found = survey.estimate(metric)
    names = ("precision", "recall", "f_score")
    return Fidelity(*(float(found[name][0]) for name in names), *(survey.error(found[name]) for name in names))


def density_coverage(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    k: int = DensityCoverage.k,
    seed: int = 0,
    tile: int = TILE,
) -> Coverage:
    """Return how many reference balls hold a generated row on average, over k, and the share of balls that hold any.

    ``D = 1/(k M) sum_j sum_i [|x_j - y_i| < r_i]``, ``C = mean_i [exists j: |x_j - y_i| < r_i]``, r_i the distance from
    y_i to its k-th neighbour among the reference. Naeem et al. 2020 (arXiv 2002.09797); agrees with the prdc package.
    Density is at least 0, expected 1 at equal distributions; coverage in 0..1, expected ``expected_coverage``. By the
    strict rule k + 1 equal reference rows have balls that hold nothing. Errors as in ``precision_recall``.

    Rows are [N, D] and [M, D]. Raises InputError where a side has no more than k rows, or rows are not finite or differ
    in width.
    """
    survey, metric = _survey(DensityCoverage(k), generated, reference, seed, tile)
    found = survey.estimate(metric)
    names = ("density", "coverage", "precision", "recall")
    return Coverage(*(float(found[name][0]) for name in names), *(survey.error(found[name]) for name in names))


def expected_coverage(generated: int, reference: int, k: int) -> float:
    """Return the expected coverage of equal distributions: ``1 - prod_{i=1..k} (N - i) / (N + M - i)``.

    N reference and M generated rows; Naeem et al. 2020, lemma 2; near 1 - 2^-k for N = M.
    """
    return 1 - math.prod((reference - i) / (reference + generated - i) for i in range(1, k + 1))


def _survey(metric: Any, generated: npt.ArrayLike, reference: npt.ArrayLike, seed: int, tile: int) -> tuple[Any, Any]:
    surveys = take_surveys([metric], *pair_of(generated, reference), seed=seed, tile=tile)
    return surveys[BallSurvey], metric


def _check(k: int) -> None:
    if k < 1:
        raise UsageError(f"k counts neighbours and is 1 at least, not {k}.")


def _score(name: str, found: Float64, detail: dict[str, Any], survey: BallSurvey, moves: Moves) -> Score:
    error = survey.error(found)
    if error is not None:
        detail["error_by"] = "differences of random halves"
    else:
        detail["no_error"] = "Half of the rows of one side are not more than k."
    generated, reference = survey.counts
    if abs(generated - reference) > UNEQUAL * max(generated, reference):
        detail["warning"] = (
            f"{generated:,} generated and {reference:,} reference rows: precision, recall, density and coverage depend "
            "on both counts; compare them only at the same counts."
        )
    return Score(name, float(found[0]), error, "higher", detail, influence=influence_of(*moves, error=error))
