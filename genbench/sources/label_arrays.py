"""The classes of samples, from arrays of several forms."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from genbench.array_types import Array, Int64
from genbench.errors import InputError

_LARGEST_CLASS = 2.0**53  # larger floats are not exact


def class_labels(name: str, labels: Array, length: int) -> Int64:
    """Return the class of each of ``length`` samples, int64 [length].

    ``labels`` are whole numbers from 0 on, [length] or [length, 1] of any numeric dtype, or one-hot rows [length, K].
    ``name`` names the array in messages. Raises InputError for other arrays.
    """
    found = numbers_of_classes(labels)
    if found is None or len(found) != length:
        raise InputError(
            f"{name} has shape {list(labels.shape)} and dtype {labels.dtype}; expected {length} whole numbers "
            "from 0 on, the class of each sample, or one-hot rows; correct the array, or leave it out."
        )
    return found


def numbers_of_classes(labels: Array) -> Int64 | None:
    """Return the classes int64 [N] of whole numbers from 0 on, [N] or [N, 1], or of one-hot rows [N, K].

    Other arrays hold no classes and give None: test splits often hold -1.
    """
    if labels.dtype.kind not in "biuf" or labels.ndim not in (1, 2):
        return None
    if labels.ndim == 2 and labels.shape[1] != 1:
        return labels.argmax(axis=1).astype(np.int64) if is_one_hot(labels) else None
    # whole numbers, whatever their dtype
    column = labels.reshape(-1)
    if column.dtype.kind == "f" and not (np.isfinite(column) & (column == np.rint(column))).all():
        return None
    if column.size and not 0 <= column.min() <= column.max() <= _LARGEST_CLASS:
        return None
    return column.astype(np.int64)


def is_one_hot(rows: Array) -> bool:
    """Return whether each row of an array [N, K] with K > 1 is 0 except for a single 1."""
    if rows.ndim != 2 or rows.shape[1] < 2 or rows.dtype.kind not in "biuf":
        return False
    return bool((((rows == 0) | (rows == 1)).all(axis=1) & ((rows == 1).sum(axis=1) == 1)).all())


def checked_names(name: str, names: Array, labels: Int64) -> tuple[str, ...]:
    """Return the names of the classes, from an array of texts. Raises InputError if a class has no name."""
    texts: Sequence[bytes | str] = []
    with suppress(ValueError, SystemError):  # damaged bytes are no characters
        texts = names.tolist() if names.ndim == 1 and names.dtype.kind in "US" else []
    # bytes are texts in UTF-8
    decoded = tuple(text.decode(errors="replace") if isinstance(text, bytes) else text for text in texts)
    if not decoded or (labels.size and not 0 <= labels.min() <= labels.max() < len(decoded)):
        raise InputError(
            f"{name} has shape {list(names.shape)} and dtype {names.dtype}; expected texts, one for each class from 0 "
            f"to {labels.max(initial=0)}."
        )
    return decoded
