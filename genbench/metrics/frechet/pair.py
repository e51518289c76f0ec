"""Two sides of a Frechet distance, with what its value, its error and its bias share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from genbench.array_types import Float64
from genbench.metrics.frechet.balance import LARGE_SIZE, Balance, BlockSums, FittedRows
from genbench.metrics.frechet.gaussian import terms
from genbench.metrics.frechet.sides import GaussianSide, blocks_of
from genbench.metrics.group_influence import variance_of_sum


@dataclass(frozen=True, eq=False)
class Pair:
    """Two sides of a Frechet distance; what its value, its error and its bias share is computed once."""

    generated: GaussianSide
    reference: GaussianSide
    seed: int
    """Of the permutation that deals the rows to blocks."""
    blocks: int = 0
    """Number of blocks whose sums the pass over the rows gives, for the jackknife; 0 for none."""

    @property
    def size(self) -> int:
        """Number of dimensions."""
        return self.generated.size

    @cached_property
    def balance(self) -> Balance | None:
        """None if a side has too few rows for its dimensions, or if the generated side has only moments."""
        # the influence function holds from these multiples of the dimensions on
        multiple = 1.2 if self.size < LARGE_SIZE else 2.0
        enough = all(_has_rows_for(side, multiple) for side in (self.generated, self.reference))
        # without rows there is no error, and the distance alone takes less time
        if self.generated.features is None or not enough:
            return None
        return Balance.of(self.generated.gaussian, self.reference.gaussian)

    @cached_property
    def terms(self) -> tuple[float, float]:
        """The mean term and the covariance term of the distance."""
        # the eigenvalues of the balance give the trace, too
        known = None if self.balance is None else self.balance.trace_of_root
        return terms(self.generated.gaussian, self.reference.gaussian, known)

    @property
    def distance(self) -> float:
        return sum(self.terms)

    @property
    def influence(self) -> tuple[Float64, Float64] | None:
        """IF(x) / N of each row of both sides, float64 [N] and [M]; [0] for the moments of a file.

        The influence function of the generated side is 2 (m_g - m_r)'c + c'(I - T)c - mean, with c = x - m_g and the
        transport map T of ``Balance``; that of the reference has the inverse map. None if a side has too few rows for
        its dimensions.
        """
        rows = self._projected_rows
        return None if rows is None else (rows[0][0], rows[1][0])

    @property
    def block_sums(self) -> tuple[BlockSums | None, BlockSums | None]:
        """The sums of the blocks of both sides; None for the moments of a file and where they are not computed."""
        rows = self._projected_rows
        return (None, None) if rows is None else (rows[0][1], rows[1][1])

    @cached_property
    def _projected_rows(self) -> list[tuple[Float64, BlockSums | None]] | None:
        if self.balance is None:
            return None
        # the sides differ in the sign of the slope and in the direction of the transport map
        slope = 2 * (self.generated.gaussian.mean - self.reference.gaussian.mean)
        directions = ((self.generated, slope, self.balance.generated), (self.reference, -slope, self.balance.reference))
        found = []
        for side, side_slope, basis in directions:
            # below this size a block costs little without its sums
            wanted = self.blocks > 0 and self.size >= LARGE_SIZE and side.features is not None
            labels = blocks_of(side, self.blocks, self.seed) if wanted else None
            found.append(FittedRows.all(side).influence(side_slope, basis, labels))
        return found


def variance_of_both(influence: tuple[Float64, Float64]) -> float:
    """Return the variance of a distance by the influence of the rows of both sides."""
    return float(sum(variance_of_sum(side) for side in influence))


def _has_rows_for(side: GaussianSide, multiple: float) -> bool:
    """Whether a side has more rows than a multiple of its dimensions; true for the moments of a file."""
    return side.features is None or len(side.features) // multiple > side.size
