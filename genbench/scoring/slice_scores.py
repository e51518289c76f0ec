"""Scores of slices of volumes: each plane alone, errors that count volumes, and the average over the planes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from genbench.array_types import Float64, Int64
from genbench.errors import UsageError, number_of
from genbench.features.chosen_rows import chosen_rows
from genbench.features.features import Features, Moments
from genbench.plugs.contracts import PLANES, InfluenceOfRows, Score
from genbench.scoring.panel_error import group_sums, scaled, variance_of_rows

BY_VOLUMES = "influences of the volumes"
BY_BOUND = "at most: as if all slices of a volume were equal"
FEW_VOLUMES = "An error needs at least 2 volumes on each side."


class Inputs(NamedTuple):
    """What some metrics are computed from: one reference and one set of training samples for each metric."""

    generated: Features
    references: Sequence[Features | Moments | None]
    trains: Sequence[Features | None]

    def by_plane(self) -> dict[str, Inputs]:
        """Return the rows of each plane under its name; all rows under an empty name if they are no slices."""
        if self.generated.plane is None:
            return {"": self}
        return {PLANES[plane]: self._of_plane(plane) for plane in np.unique(self.generated.plane).tolist()}

    def _of_plane(self, plane: int) -> Inputs:
        # metrics share their sides, and what is derived from these
        known: dict[int, Any] = {}
        chosen: list[list[Any]] = [
            [known.setdefault(id(side), _in_plane(side, plane)) for side in sides]
            for sides in ([self.generated], self.references, self.trains)
        ]
        return Inputs(chosen[0][0], chosen[1], chosen[2])


def _in_plane(side: Features | Moments | None, plane: int) -> Features | Moments | None:
    # images and statistics have no plane
    if not isinstance(side, Features) or side.plane is None:
        return side
    return chosen_rows(side, np.flatnonzero(side.plane == plane))


def described_slices(features: Features) -> str:
    """Return the planes and the number of volumes, ``axial of 12 volumes``; empty if the samples are no slices."""
    if features.plane is None or features.volume is None:
        return ""
    planes = ", ".join(PLANES[plane] for plane in np.unique(features.plane).tolist())
    return f"{planes} of {number_of(len(np.unique(features.volume)), 'volumes')}"


def require_same_planes(generated: object, others: Mapping[Any, object]) -> None:
    """Raise UsageError unless every other side, by its role, has slices in the planes of the generated samples.

    Slices in one plane may also be compared with images and statistics.
    """
    planes = _planes(generated)
    for role, side in others.items():
        own = _planes(side)
        if side is not None and own != planes and len(own | planes) > 1:
            names = {True: "slices=three", False: "slices=axial"}
            raise UsageError(
                f"The samples are {_planes_as_text(planes)} and the {role} is {_planes_as_text(own)}: give both "
                f"{names[len(planes) > 1]}" + ("; statistics and images have no planes." if not own else ".")
            )


def require_one_plane(features: Features) -> None:
    """Raise UsageError for slices in several planes: a mean over all of them is that of no plane."""
    if len(_planes(features)) > 1:
        raise UsageError(
            f"{features.name} holds slices in several planes, which have no common mean and covariance; write a "
            ".safetensors of all features, or take slices=axial."
        )


def refuse_slices(what: str, *sides: object) -> None:
    """Raise UsageError if one of the sides consists of slices, whose rows ``what`` would take for independent."""
    if any(_planes(side) for side in sides):
        raise UsageError(f"{what} takes no slices of volumes, because its error would count slices; leave it out.")


def _planes(side: object) -> set[int]:
    plane = getattr(side, "plane", None)
    return set() if plane is None else set(np.unique(plane).tolist())


def _planes_as_text(planes: set[int]) -> str:
    return f"slices in {len(planes)} plane{'s' * (len(planes) > 1)} of volumes" if planes else "no slices of volumes"


def score_of_volumes(score: Score, generated: Features, reference: Features | Moments | None) -> Score:
    """Return a score of slices with an error that counts volumes, because slices of a volume are not independent.

    The variance of a sum of influences is that of its sums over the volumes, relative to that over independent rows.
    If the influence of the rows is unknown, the error is that of equal slices in each volume, the largest that
    correlation can cause. There is no error for fewer than 2 volumes.
    """
    volumes = [side.volume if isinstance(side, Features) else None for side in (generated, reference)]
    if all(volume is None for volume in volumes):
        return score
    # guests may give any object with the first four fields
    more: dict[str, Any] = {name: getattr(score, name, default) for name, default in Score._field_defaults.items()}
    # an unbiased estimate is so for independent rows, and slices at fixed depths may be more alike than chance allows
    more["detail"] = {key: told for key, told in more["detail"].items() if key != "least"}
    score, error = Score(score.name, float(score.value), **more), more["error"]
    # a metric may count volumes by itself
    if error is None or "error_by_volume" in score.detail:
        return score
    if any(volume is not None and len(np.unique(volume)) < 2 for volume in volumes):
        return score._replace(
            error=None, influence=None, interval=None, detail={**score.detail, "no_error": FEW_VOLUMES}
        )

    sums = _sums(score, volumes)
    if sums is None:
        slices = max(len(volume) / len(np.unique(volume)) for volume in volumes if volume is not None)
        factor, influence = math.sqrt(slices), None
    else:
        factor = sums.factor
        influence = influence_of_volumes(*(side * error / sums.iid_error for side in sums.sides))
    by = BY_BOUND if sums is None else BY_VOLUMES
    return score._replace(
        error=error * factor,
        influence=influence,
        interval=_widened(score, factor),
        detail={**score.detail, "error_by_volume": by},
    )


@dataclass(frozen=True, eq=False)
class _Sums:
    """The sums of the influences of the rows of each volume."""

    sides: tuple[Float64, Float64]
    iid_error: float
    """The error that the influences would have if all rows were independent."""

    @property
    def factor(self) -> float:
        return math.sqrt(sum(map(variance_of_rows, self.sides))) / self.iid_error


def _sums(score: Score, volumes: Sequence[Int64 | None]) -> _Sums | None:
    """Return the sums over volumes; None if the influence of the rows is unknown or does not vary."""
    rows = getattr(score.influence, "rows", None)
    if rows is None:
        return None
    sides = []
    for influence, volume in zip(rows, volumes, strict=True):
        # some metrics know the influence of groups of rows only
        if len(influence) and volume is not None and len(influence) != len(volume):
            return None
        # rows without a volume are independent, and so are sides that contribute nothing
        centred = influence - influence.mean() if len(influence) else influence
        if len(influence) and volume is not None:
            centred = np.bincount(np.unique(volume, return_inverse=True)[1], centred)
        sides.append(np.asarray(centred, np.float64))
    iid = math.sqrt(sum(map(variance_of_rows, rows)))
    largest = max((float(np.abs(each).max()) for each in rows if len(each)), default=0.0)
    # influences that differ by rounding only
    return None if iid <= 1e-9 * largest else _Sums((sides[0], sides[1]), iid)


def influence_of_volumes(generated: Float64, reference: Float64) -> InfluenceOfRows:
    """Return the influence of groups of volumes whose own influences are float64 [V] and [W]."""
    sides = (generated, reference)
    groups = (scaled(group_sums(side), variance_of_rows(side)) if len(side) else () for side in sides)
    return InfluenceOfRows(*groups, rows=sides)


def _widened(score: Score, factor: float) -> tuple[float, float] | None:
    """Return the interval of a score whose error grows by a factor; a share stays one."""
    if score.interval is None:
        return None
    low, high = (score.value + factor * (end - score.value) for end in score.interval)
    share = min(score.interval) >= 0 and max(score.interval) <= 1
    return (max(low, 0.0), min(high, 1.0)) if share else (low, high)


def with_average(by_plane: Mapping[str, Sequence[Score]]) -> dict[str, list[Score]]:
    """Return the averages over several planes under an empty name, and then the scores of each plane under its name.

    Scores of no plane, or of a single one, are all under the empty name. Volumes are the same in all planes, so the
    error of an average comes from the averages of their influences; if these are unknown, it is the average of the
    errors, which is the largest that it can be.
    """
    planes = list(by_plane)
    if len(planes) == 1:
        return {"": list(by_plane[planes[0]])}
    named = {plane: {score.name: score for score in scores} for plane, scores in by_plane.items()}
    common = [name for name in named[planes[0]] if all(name in scores for scores in named.values())]
    averages = [_average([named[plane][name] for plane in planes], planes) for name in common]
    return {"": averages, **{plane: [_without_pairs(score) for score in each] for plane, each in by_plane.items()}}


def _without_pairs(score: Score) -> Score:
    """Return the score of one of several planes without pairs of rows, which would be positions in that plane."""
    return score._replace(detail={key: told for key, told in score.detail.items() if key != "pairs"})


def _average(scores: Sequence[Score], planes: Sequence[str]) -> Score:
    """Return the average of one score over the planes."""
    first, value = scores[0], float(np.mean([score.value for score in scores]))
    # what is told of all planes alike is true of the average
    same = {key: told for key, told in first.detail.items() if all(one.detail.get(key) == told for one in scores)}
    detail = {**same, "planes": {plane: score.value for plane, score in zip(planes, scores, strict=True)}}
    errors = [score.error for score in scores]
    error = None if None in errors else float(np.mean([each for each in errors if each is not None]))
    influence = _average_influence(scores)
    if influence is not None:
        error = math.sqrt(sum(map(variance_of_rows, influence.rows)))
    # intervals that are not symmetric keep their form
    ends = [score.interval for score in scores if score.interval is not None]
    low, high = np.mean(ends, axis=0).tolist() if len(ends) == len(scores) else (0.0, 0.0)
    interval = (low, high) if len(ends) == len(scores) else None
    return first._replace(value=value, error=error, detail=detail, influence=influence, interval=interval)


def _average_influence(scores: Sequence[Score]) -> InfluenceOfRows | None:
    known = [score.influence for score in scores if isinstance(score.influence, InfluenceOfRows)]
    shapes = {tuple(len(side) for side in influence.rows) for influence in known}
    # without a volume in one of the planes, the others cannot be told apart
    if len(known) < len(scores) or len(shapes) > 1:
        return None
    generated, reference = (np.mean([influence.rows[side] for influence in known], axis=0) for side in (0, 1))
    return influence_of_volumes(generated, reference)
