"""Read and check the rows that a metric compares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.features.features import Features, Moments


def embedding(features: Features | Moments | None, role: str) -> Array:
    """Return the rows of the view ``embedding``, float32 or float64 [N, D].

    Raises InputError if there are no rows: the side is missing, or only its mean and covariance are known.
    """
    # Statistics files hold a mean and a covariance only.
    if not isinstance(features, Features):
        content = "a mean and a covariance" if isinstance(features, Moments) else "nothing"
        raise InputError(f"This metric needs the rows of the {role} samples, not {content}; give samples or features.")
    return features["embedding"]


def checked_rows(generated: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Array, Array]:
    """Return both sides as float32 or float64, [N, D] and [M, D].

    Raises InputError if a side is not two-dimensional, is empty, holds NaN or infinity, or if the widths differ.
    """
    # Both sides must come from the same network.
    left, right = _finite_rows(generated, "generated"), _finite_rows(reference, "reference")
    if left.shape[1] != right.shape[1]:
        raise InputError(
            f"The generated rows have {left.shape[1]} dimensions and the reference rows {right.shape[1]}; "
            "compute both with the same extractor."
        )
    return left, right


def spans(count: int, size: int = 1024) -> list[slice]:
    """Return the consecutive ranges of at most ``size`` that cover ``range(count)``."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _finite_rows(rows: npt.ArrayLike, role: str) -> Array:
    # Integers and half precision become float64; float32 stays, because large arrays must not be copied.
    values = np.asarray(rows)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if values.ndim != 2 or not values.size:
        raise InputError(f"The {role} rows must have shape [N, D] with at least one row, but have {values.shape}.")
    # In pieces: the mask of a large array would need much memory.
    if not all(np.isfinite(values[span]).all() for span in spans(len(values))):
        raise InputError(f"The {role} rows hold NaN or infinity; look for the cause in the samples or the extractor.")
    return values
