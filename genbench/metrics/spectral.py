"""Distance of the radial power spectra of images: regular artefacts such as checkerboards, and missing fine detail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64
from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.group_influence import influence_of, variance_of_sum
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class SpectralDistance:
    """Distance of the radial power spectra of both sides: checkerboards, missing detail (``spectral_distance``).

    It sees neither content nor position. Its expected value for equal distributions is above 0; it is in the detail,
    with the spectra of both sides.
    """

    needs: ClassVar[tuple[str, ...]] = ("spectrum",)
    reference: ClassVar[Literal["rows"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (2, 2)
    extractor: ClassVar[str] = "spectrum"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``spectral``. Raises InputError if the images of both sides have different sizes."""
        if not isinstance(reference, Features):
            raise InputError("spectral needs the reference's images, not their statistics; give images.")
        rows = generated["spectrum"], reference["spectrum"]
        if rows[0].shape[1] != rows[1].shape[1]:
            sizes = [2 * side.shape[1] for side in rows]
            raise InputError(
                f"The images of {generated.name} have about {sizes[0]} pixels on the shorter side and those of "
                f"{reference.name} {sizes[1]}; spectral needs images of one size, because resizing changes a spectrum."
            )
        # the whole curves are in the record, for a plot
        distance = spectral_distance(*rows)
        detail: dict[str, Any] = {
            "expected": distance.expected,
            "log_power_generated": [round(value, 5) for value in distance.log_power[0].tolist()],
            "log_power_reference": [round(value, 5) for value in distance.log_power[1].tolist()],
            "error_by": "influence function",
        }
        influence = influence_of(*distance.influence, error=distance.error)
        return [Score("spectral", distance.value, distance.error, "lower", detail, "spectral_distance", influence)]


class SpectralEstimate(NamedTuple):
    """Distance of two mean power spectra, in units of the natural logarithm."""

    value: float
    error: float
    expected: float
    """Expected value for equal distributions: the distance is a mean of absolute values, so it is above 0."""
    log_power: tuple[Float64, Float64]
    """Logarithm of the mean power of each side [R]."""
    influence: tuple[Float64, Float64]
    """First-order influence of each generated row [N] and reference row [M]."""


def spectral_distance(generated: npt.ArrayLike, reference: npt.ArrayLike) -> SpectralEstimate:
    """Compute ``mean_r |ln S_g(r) - ln S_r(r)|``, where S(r) is the mean power of the images at radius r.

    A factor c on the contrast of all images gives ``2 |ln c|``; the power spectra are those of Durall et al. 2020
    (arXiv 2003.01826). The error is first order; for equal distributions it is about that of the absolute value.

    ``generated`` and ``reference`` hold the logarithm of the power of each image, float [N, R] and [M, R]. Raises
    InputError for other shapes and for fewer than 2 rows.
    """
    sides = [np.asarray(side, np.float64) for side in (generated, reference)]
    if any(side.ndim != 2 or len(side) < 2 for side in sides) or sides[0].shape[1] != sides[1].shape[1]:
        shapes = " and ".join(str(list(side.shape)) for side in sides)
        raise InputError(f"Spectra must be float [N, R] and [M, R] with at least 2 rows, not {shapes}.")
    # mean power; the largest logarithm is taken out, so that no exponential overflows
    highest = [side.max(axis=0) for side in sides]
    relative = [np.exp(side - top) for side, top in zip(sides, highest, strict=True)]
    means = [power.mean(axis=0) for power in relative]
    log_power = [top + np.log(mean) for top, mean in zip(highest, means, strict=True)]
    gap = log_power[0] - log_power[1]

    # d ln S / d weight of a row is its power over the mean power, minus 1
    moves = [(power / mean - 1) / len(power) for power, mean in zip(relative, means, strict=True)]
    sign = np.where(gap == 0, 1.0, np.sign(gap))
    influence = [sum_sign * (move * sign).mean(axis=1) for move, sum_sign in zip(moves, (1, -1), strict=True)]
    error = math.sqrt(sum(variance_of_sum(side) for side in influence))
    # the mean absolute value of a normal variable is sqrt(2 / pi) of its standard deviation
    spread = np.sqrt(sum(move.var(axis=0, ddof=1) * len(move) for move in moves))
    expected = float(spread.mean() * math.sqrt(2 / math.pi))
    return SpectralEstimate(
        float(np.abs(gap).mean()), error, expected, (log_power[0], log_power[1]), (influence[0], influence[1])
    )
