"""Eigenvalues of a symmetric matrix in float64, with eigenvectors that are turned back in float32."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dstevd, dsytrd, sormqr

from genbench.array_types import Array, Float64


def eigenvalues_and_vectors(matrix: Float64, *, single: bool) -> tuple[Float64, Array]:
    """Return the eigenvalues in ascending order, float64 [D], and the eigenvectors in the columns of [D, D].

    With ``single`` the eigenvectors are float32. Those of the tridiagonal form are computed in float64, so that small
    eigenvalues are told apart; only their turn to the coordinates of the matrix, which is most of the work, is in
    float32. The matrix [D, D] is overwritten. Raises np.linalg.LinAlgError if the iteration does not converge.
    """
    if not single:
        values, vectors = eigh(matrix, driver="evd", overwrite_a=True, check_finite=False)
        return values, vectors
    work = 64 * len(matrix)
    # matrix = Q tridiagonal Q', with reflections Q below the diagonal; the first one leaves the first row as it is
    reflections, diagonal, beside, factors, _ = dsytrd(matrix, lower=1, lwork=work, overwrite_a=1)
    values, vectors, failed = dstevd(diagonal, beside, overwrite_d=1, overwrite_e=1)
    if failed:
        raise np.linalg.LinAlgError("The eigenvalues of a tridiagonal matrix did not converge.")
    vectors = vectors.astype(np.float32)
    vectors[1:], _, _ = sormqr("L", "N", reflections[1:, :-1], factors, vectors[1:], work)
    return values, vectors
