"""The ratios of a panel and their covariance: distances of generated samples over distances of real ones.

All encoders see the same images, and both distances of a ratio have the same reference. The influences of a row on all
ratios are therefore added before they are squared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from genbench.array_types import Float64, Int64
from genbench.errors import InputError
from genbench.features.chosen_rows import chosen_rows, class_order
from genbench.features.features import Features, Moments
from genbench.plugs.contracts import GROUPS, Influence, RowwiseDistance

Distance = Callable[[Features, "Features | Moments"], RowwiseDistance]
"""A distance with the influence of each row: the method ``row_influence`` of a metric."""

SPLIT_SEED = 2020
"""Seed of halves and groups of rows. It does not depend on the seed of a score, so that all subjects share the halves
of one reference."""

DELETED_GROUPS = 20
"""Number of groups of the jackknife."""

LEAST_SHARE = 0.5
"""Least share of the variance that the influences of all rows give: that of a distance without a first order."""

PANEL_DEGREES = 20
"""Degrees of freedom of the variance from halves, which is uncertain itself (reports/panel.md)."""

BY_INFLUENCE = "influence functions of all rows and of halves, summed over encoders"
BY_JACKKNIFE = "jackknife over 20 groups of rows of all sides and encoders"
BY_JACKKNIFE_AND_SPLITS = f"{BY_JACKKNIFE}, with the second order from random splits of floor and reference"

SPLITS_OF_REAL = 20
"""Number of random splits."""


@dataclass(frozen=True)
class Trio:
    """The features of one encoder: generated samples, reference, and floor."""

    generated: Features
    reference: Features | Moments
    floor: Features | float
    """Held-out real samples, or their published distance."""

    def of_rows(self, choose: Callable[[Features], Int64]) -> Trio:
        """Return the trio of the rows that ``choose`` returns for each side that has rows."""
        sides = [
            chosen_rows(side, choose(side)) if isinstance(side, Features) else side
            for side in (self.generated, self.reference, self.floor)
        ]
        return Trio(*sides)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Ratios:
    """The ratios of K encoders with their covariance."""

    distances: Float64
    """float64 [K], distance of the generated samples to the reference."""
    floors: Float64
    """float64 [K], distance of as many real samples to the same reference."""
    covariance: Float64
    """float64 [K, K], of the ratios."""
    degrees: float
    """Degrees of freedom of the covariance."""
    method: str
    sides: tuple[Float64, Float64, Float64] | None = None
    """Influences of the rows of generated, reference and floor on each ratio, float64 [rows, K]; None if unknown."""

    @property
    def values(self) -> Float64:
        """float64 [K], the ratios."""
        return self.distances / self.floors

    def error(self, weights: Float64) -> float:
        """Return the standard error of a weighted sum of the ratios; ``weights`` is float64 [K]."""
        return float(np.sqrt(weights @ self.covariance @ weights))

    def interval(self, weights: Float64) -> tuple[float, float]:
        """Return the ends of the 95 % confidence interval of a weighted sum of the ratios, 0 or more.

        It is symmetric on the logarithmic scale, because the distance of the floor is a divisor, with the quantile of
        Student's t.
        """
        value, reach = float(weights @ self.values), float(stdtrit(self.degrees, 0.975)) * self.error(weights)
        # far from 0 on the logarithmic scale; a sum near 0 has no logarithm
        if value <= reach:
            return max(value - reach, 0.0), value + reach
        factor = float(np.exp(reach / value))
        return value / factor, value * factor

    def influence(self, weights: Float64) -> Influence | None:
        """Return the influence of groups of rows on a weighted sum of the ratios, or None if it is unknown.

        Floor and reference are both shared by all subjects, so the influences of both are added.
        """
        if self.sides is None:
            return None
        # the sums of groups, scaled so that their variance is that of the error
        generated, reference, floor = (side @ weights for side in self.sides)
        rows = [variance_of_rows(generated), variance_of_rows(reference) + variance_of_rows(floor)]
        scale = self.error(weights) / max(np.sqrt(sum(rows)), np.finfo(float).tiny)
        shared = group_sums(reference) + group_sums(floor)
        return Influence(scaled(group_sums(generated), rows[0] * scale**2), scaled(shared, rows[1] * scale**2))


def ratios_of(distance: Distance, trios: Sequence[Trio]) -> Ratios:
    """Return the ratios of all encoders with their covariance.

    The variance of a distance is F/N + S/N^2. The influences of the rows estimate v(N) = F/N + 2 S/N^2, and those of
    halves of the rows v(N/2); 1.5 v(N) - v(N/2) / 4 is the variance (as for a single distance near 0). S counts,
    because the distance of real samples to real samples has no first order at all.

    If a side or its halves have too few rows for the dimensions, a jackknife gives v(N): it deletes a group of rows of
    all sides and in all encoders. S is then that of the distance between random parts of floor and
    reference, which both distances of a ratio are taken to have; the covariance of the two is (N / (N + M))^2 of it,
    the part of the M rows of the reference. Raises InputError if a floor is 0.
    """
    # the distances of all rows, and the influences of the rows on the ratios
    pairs = [_measured(distance, trio) for trio in trios]
    distances, floors = (np.array([pair[role].value for pair in pairs]) for role in range(2))
    _require_floor(floors, trios)
    whole = _influences(pairs, distances, floors)
    # the second order, from the halves of all sides
    known = (_half_influences(distance, trios, half, distances, floors) for half in range(2) if whole is not None)
    halves = [half for half in known if half is not None]
    if whole is not None and len(halves) == 2:
        covariance = _covariance(whole)
        of_halves = sum(map(_covariance, halves)) / len(halves)
        second = 1.5 * covariance - of_halves / 4
        covariance = _reshaped(covariance, second, lambda shares: np.clip(shares, LEAST_SHARE, 1.0))
        return Ratios(distances, floors, covariance, PANEL_DEGREES, BY_INFLUENCE, whole)

    # few rows; the influences, if they are known, are scaled to the errors of the jackknife
    covariance, method = _jackknifed(distance, trios), BY_JACKKNIFE
    of_real = _split_covariance(distance, trios)
    if of_real is not None:
        ratios, count = distances / floors, len(trios[0].generated)
        shared = (count / (count + _rows(trios[0].reference))) ** 2
        factors = 1 + np.outer(ratios, ratios) - shared * np.add.outer(ratios, ratios)
        second = of_real * factors / np.outer(floors, floors)
        covariance = _reshaped(
            covariance, second, lambda shares: np.clip(np.maximum(1 - shares, shares), LEAST_SHARE, 1.0)
        )
        method = BY_JACKKNIFE_AND_SPLITS
    return Ratios(distances, floors, covariance, DELETED_GROUPS - 1, method, whole)


def _measured(distance: Distance, trio: Trio) -> tuple[RowwiseDistance, RowwiseDistance]:
    """Return the distance of the generated samples and that of the floor."""
    # both distances have the same reference
    generated = distance(trio.generated, trio.reference)
    if not isinstance(trio.floor, Features):
        # a published floor is a number without an error
        nothing = None if generated.reference is None else np.zeros_like(generated.reference)
        return generated, RowwiseDistance(trio.floor, np.zeros(0), nothing)
    return generated, distance(trio.floor, trio.reference)


def _require_floor(floors: Float64, trios: Sequence[Trio]) -> None:
    # copies of the reference, or constant features
    for floor, trio in zip(floors, trios, strict=True):
        if not (np.isfinite(floor) and floor > 0):
            raise InputError(
                f"The distance of the held-out samples to {trio.reference.name} by {trio.generated.extractor!r} is "
                f"{floor:.4g}, so it cannot be a unit; give --floor other real samples."
            )


def _influences(
    pairs: Sequence[tuple[RowwiseDistance, RowwiseDistance]], distances: Float64, floors: Float64
) -> tuple[Float64, Float64, Float64] | None:
    """Return the influences of the rows of generated, reference and floor on the ratios, float64 [rows, K].

    d(D / F) = dD / F - D / F^2 dF. Returns None if one of them is unknown.
    """
    columns: tuple[list[Float64], list[Float64], list[Float64]] = ([], [], [])
    # one column for each encoder
    for (upper, lower), distance, floor in zip(pairs, distances, floors, strict=True):
        parts = (upper.generated, upper.reference, lower.generated, lower.reference)
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        generated, shared, held_out, shared_by_floor = known
        columns[0].append(generated / floor)
        columns[1].append((shared - distance / floor * shared_by_floor) / floor)
        columns[2].append(-distance / floor**2 * held_out)
    generated, reference, floor_rows = (np.stack(side, axis=1) for side in columns)
    return generated, reference, floor_rows


def _half_influences(
    distance: Distance, trios: Sequence[Trio], half: int, distances: Float64, floors: Float64
) -> tuple[Float64, Float64, Float64] | None:
    # all encoders have the same halves, because they have the same images
    def choose(side: Features) -> Int64:
        return np.sort(class_order(side.label, len(side), SPLIT_SEED)[half::2])

    # the derivative of the ratio is that of all rows
    return _influences([_measured(distance, trio.of_rows(choose)) for trio in trios], distances, floors)


def _covariance(sides: tuple[Float64, Float64, Float64]) -> Float64:
    """Return the covariance [K, K] of the sums of independent rows."""
    # sides are independent, and so are their rows
    total = np.zeros((sides[0].shape[1],) * 2)
    for rows in sides:
        if len(rows) > 1:
            centred = rows - rows.mean(axis=0)
            total += centred.T @ centred * (len(rows) / (len(rows) - 1))
    return total


def _reshaped(whole: Float64, other: Float64, rule: Callable[[Float64], Float64]) -> Float64:
    """Return a covariance whose shares of ``whole`` are those of ``other`` after a rule, float64 [K, K].

    The shares are the variances of ``other`` in the basis in which ``whole`` is the unit matrix and ``other`` diagonal.
    """
    # directions without variance are left out
    values, vectors = np.linalg.eigh(whole)
    keep = values > len(values) * np.finfo(float).eps * values.max(initial=0.0)
    root = vectors[:, keep] * np.sqrt(values[keep])
    inverse = vectors[:, keep] / np.sqrt(values[keep])
    shares, basis = np.linalg.eigh(inverse.T @ other @ inverse)
    basis = root @ basis
    return np.asarray((basis * rule(shares)) @ basis.T)


def _split_covariance(distance: Distance, trios: Sequence[Trio]) -> Float64 | None:
    """Return the covariance [K, K] of the distances between random parts of floor and reference, as large as these.

    Returns None if the reference or the floor has no rows.
    """
    # the real rows of each encoder; all encoders have the same parts
    pools = []
    for trio in trios:
        if not isinstance(trio.floor, Features) or not isinstance(trio.reference, Features):
            return None
        blocks = [*trio.floor.blocks, *trio.reference.blocks]
        pools.append(Features(blocks, name=trio.reference.name, extractor=trio.reference.extractor))
    first, count, rng = len(trios[0].floor), len(pools[0]), np.random.default_rng(SPLIT_SEED)  # type: ignore[arg-type]
    values = []
    for _ in range(SPLITS_OF_REAL):
        order = rng.permutation(count)
        parts = np.sort(order[:first]), np.sort(order[first:])
        values.append([distance(*(chosen_rows(pool, part) for part in parts)).value for pool in pools])
    return np.atleast_2d(np.cov(np.array(values), rowvar=False))


def _jackknifed(distance: Distance, trios: Sequence[Trio]) -> Float64:
    """Return the covariance of the ratios from their values without each group of rows."""
    # group g holds each 20th row of the order of a side, so that classes keep their shares
    values = []
    for group in range(DELETED_GROUPS):

        def choose(side: Features, group: int = group) -> Int64:
            place = class_order(side.label, len(side), SPLIT_SEED)
            return np.sort(np.delete(place, np.s_[group::DELETED_GROUPS]))

        pairs = [_measured(distance, trio.of_rows(choose)) for trio in trios]
        values.append([upper.value / lower.value for upper, lower in pairs])
    centred = np.array(values) - np.mean(values, axis=0)
    return np.asarray(centred.T @ centred * (DELETED_GROUPS - 1) / DELETED_GROUPS)


def _rows(side: Features | Moments) -> float:
    # the moments of a file are exact
    return float(len(side)) if isinstance(side, Features) else np.inf


def variance_of_rows(rows: Float64) -> float:
    """Return the variance of the sum of the influences of independent rows, float64 [N]; 0 for fewer than two."""
    return float(rows.var(ddof=1) * len(rows)) if len(rows) > 1 else 0.0


def group_sums(rows: Float64) -> Float64:
    """Return the centred sums over GROUPS groups of rows; row i belongs to group i modulo GROUPS."""
    # a side without rows, such as the moments of a file, has no influence
    sums = np.zeros(GROUPS)
    if len(rows):
        np.add.at(sums, np.arange(len(rows)) % GROUPS, rows - rows.mean())
    return np.asarray(sums - sums.mean())


def scaled(sums: Float64, variance: float) -> tuple[float, ...]:
    """Return the sums scaled so that GROUPS / (GROUPS - 1) times the sum of their squares is the variance."""
    # sums that are all 0 stay so
    unscaled = float((sums**2).sum()) * GROUPS / (GROUPS - 1)
    factor = np.sqrt(variance / unscaled) if unscaled > 0 else 0.0
    return tuple(float(f"{value:.9g}") for value in sums * factor)
