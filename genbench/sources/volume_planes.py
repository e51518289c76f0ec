"""The slices of volumes, such as scans: an array [N, D, H, W] as rows of 2-D images, plane by plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genbench.array_types import Array, Int64
from genbench.errors import InputError, UsageError, did_you_mean
from genbench.plugs.contracts import PLANES
from genbench.sources.npy_files import StoredRows

CHOICES = {"axial": PLANES[:1], "three": PLANES}
"""The planes of each value of ``slices``; plane k is at right angles to axis k of [D, H, W]."""


class PlaneRows:
    """The slices of all volumes in one plane, [N * S, ., .]: the S slices of a volume follow one another.

    Only one volume is in memory at a time.
    """

    def __init__(self, volumes: StoredRows, sizes: Sequence[int], axis: int) -> None:
        self._volumes, self._sizes, self._axis = volumes, tuple(sizes), axis
        self.per_volume = sizes[axis]
        """Number of slices of a volume."""
        self.shape = (volumes.shape[0] * self.per_volume, *(size for k, size in enumerate(sizes) if k != axis))
        self.dtype: np.dtype[Any] = volumes.dtype
        self._last: tuple[int, Array] | None = None  # the last volume that was read, and its number

    def __getitem__(self, rows: slice) -> Array:
        """Return the slices ``start`` to ``stop``; the array may be read-only."""
        first, stop, _ = rows.indices(self.shape[0])
        if first >= stop:
            return np.empty((0, *self.shape[1:]), self.dtype)
        # the share of each volume
        shares = []
        for number in range(first // self.per_volume, (stop - 1) // self.per_volume + 1):
            start = number * self.per_volume
            shares.append(self._slices(number)[max(0, first - start) : stop - start])
        return np.ascontiguousarray(shares[0] if len(shares) == 1 else np.concatenate(shares))

    def _slices(self, number: int) -> Array:
        # consecutive batches are cut from the same volume
        if self._last is None or self._last[0] != number:
            self._last = (number, np.asarray(self._volumes[number : number + 1]).reshape(self._sizes))
        return np.moveaxis(self._last[1], self._axis, 0)


def planes_of(name: str, volumes: StoredRows, slices: str) -> list[PlaneRows]:
    """Return the slices of volumes [N, D, H, W], [N, 1, D, H, W] or [N, D, H, W, 1] in each plane of ``PLANES``.

    ``slices`` is ``axial`` (only the first plane) or ``three``. Raises UsageError for other texts, InputError for
    arrays of other shapes.
    """
    if slices not in CHOICES:
        raise UsageError(f"{name} has no slices={slices}{did_you_mean(str(slices), CHOICES)}")
    shape = tuple(volumes.shape)
    # one channel is as good as none
    sizes = shape[1:]
    if len(shape) == 5 and 1 in (shape[1], shape[4]):
        sizes = shape[2:] if shape[1] == 1 else shape[1:4]
    if len(sizes) != 3 or 0 in shape:
        raise InputError(
            f"{name} has shape {list(shape)}, but slices={slices} needs volumes of one channel, [N, D, H, W] or "
            "[N, 1, D, H, W]; write x[None] for a single volume."
        )
    return [PlaneRows(volumes, sizes, axis) for axis, _ in enumerate(CHOICES[slices])]


def volumes_and_planes(planes: Sequence[PlaneRows]) -> tuple[Int64, Int64]:
    """Return the volume and the plane of each slice of all planes, one plane after the other: int64 [N] each."""
    volumes = [np.arange(rows.shape[0]) // rows.per_volume for rows in planes]
    return np.concatenate(volumes), np.repeat(np.arange(len(planes)), [len(each) for each in volumes])
