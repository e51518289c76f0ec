"""Rows and moments in the leading principal components of the reference: few dimensions, which few rows suffice for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh

from genbench.array_types import Array, Float64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments


@dataclass(frozen=True, eq=False)
class Projection:
    """The leading principal components of a reference; it depends on nothing else, so all subjects share it."""

    basis: Float64
    """float64 [D, K], orthonormal columns, in the order of their variance."""
    view: str

    @staticmethod
    def of(reference: Features | Moments, view: str, components: int) -> Projection:
        """Return the first ``components`` principal components. Raises UsageError if there are not so many."""
        moments = reference if isinstance(reference, Moments) else reference.moments(view)
        size = moments.mean.size
        if components > size:
            raise UsageError(
                f"fd,components={components} needs embeddings of at least {components} dimensions, but these have "
                f"{size}; leave out components."
            )

        def make() -> dict[str, Array]:
            # only the largest eigenvalues, in ascending order
            last = (size - components, size - 1)
            vectors = eigh(moments.covariance, subset_by_index=last)[1][:, ::-1]
            # eigenvectors have no sign: the largest entry is made positive, so that the basis is always the same
            signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(components)])
            return {"basis": vectors * signs}

        key = f"principal components of {view}, {components}"
        made = make() if isinstance(reference, Moments) else reference.derived(key, make)
        return Projection(np.asarray(made["basis"]), view)

    def of_side(self, side: Features | Moments) -> Features | Moments:
        """Return a side in these components. Raises InputError if its dimension is another one."""
        return self.of_moments(side) if isinstance(side, Moments) else self.of_features(side)

    def of_features(self, side: Features) -> Features:
        """Return the rows of a side in these components. Raises InputError if their dimension is another one."""
        size = next(iter(side.each(self.view))).shape[1]
        if size != len(self.basis):
            raise InputError(
                f"{side.name} has embeddings of {size} dimensions and the reference of {len(self.basis)}, but they "
                "must be equal; use the same extractor for both."
            )
        blocks: list[Mapping[str, Array]] = [
            {self.view: (block[self.view].astype(np.float64) @ self.basis).astype(np.float32)} for block in side.blocks
        ]
        # another content, and nothing that is derived from it is kept
        return replace(side, blocks=blocks, fingerprint="", cache={}, _arrays={})

    def of_moments(self, side: Moments) -> Moments:
        """Return the moments of a side in these components."""
        covariance = self.basis.T @ side.covariance @ self.basis
        return replace(side, mean=side.mean @ self.basis, covariance=(covariance + covariance.T) / 2)
