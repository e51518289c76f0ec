"""One part of somebody's samples: training, validation and reference rows that never overlap."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.plugs import registry
from genbench.plugs.contracts import Source
from genbench.sampling import Subset

SHARES = {"train": (0.0, 0.5), "fit": (0.0, 0.4), "validation": (0.4, 0.5), "test": (0.5, 1.0)}
"""Where each part begins and ends among the shuffled rows: ``fit`` and ``validation`` make up ``train``."""


def part(path: str, split: str = "train") -> Subset:
    """Return one part of a folder, zip, npz or npy: halves train and test; fit and validation, of train.

    Rows are shuffled by a fixed seed, then cut, and given in the samples' own order: the same path gives the same
    parts as long as it holds as many samples. Raises UsageError for another part, InputError where the path holds
    nothing usable or too little.
    """
    if split not in SHARES:
        raise UsageError(f"part has no split {split!r}{did_you_mean(str(split), SHARES)}")
    whole = _opened(str(path))
    first, last = (round(share * len(whole)) for share in SHARES[split])
    if last - first < 2:
        raise InputError(f"{path} holds {len(whole)} samples, too few to be cut into parts; give 20 or more.")
    rows = np.sort(np.random.default_rng(0).permutation(len(whole))[first:last])
    return Subset(whole, rows, f"{path},split={split}")


def _opened(path: str) -> Source:
    place = Path(path).expanduser()
    if not place.exists():
        raise InputError(f"{path}: no such file or folder; check the path.")
    found = registry.open_accepted(("sources",), place)
    if found is None:
        raise InputError(f"{path} holds no samples; give a folder or zip of images, an .npz with arr_0, or an .npy.")
    return found  # type: ignore[no-any-return]
