"""A random part of the samples of a folder or file, so that training, validation and test rows never overlap."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genbench.derived_sources import Subset
from genbench.errors import InputError, UsageError, did_you_mean
from genbench.plugs import registry
from genbench.plugs.contracts import Source

SPLIT_SHARES = {"train": (0.0, 0.5), "fit": (0.0, 0.4), "validation": (0.4, 0.5), "test": (0.5, 1.0)}
"""Begin and end of each split, as shares of the shuffled rows; ``fit`` and ``validation`` together are ``train``."""


def part(path: str, split: str = "train") -> Subset:
    """Return one split of the samples of a folder, archive or file: train or test (a half each), fit or validation.

    A fixed seed shuffles the rows before they are split, and each split keeps the order of the samples. A path gives
    the same splits as long as the number of samples stays the same. Raises UsageError for an unknown split, InputError
    if the path holds no samples or too few.
    """
    if split not in SPLIT_SHARES:
        raise UsageError(f"part has no split {split!r}{did_you_mean(str(split), SPLIT_SHARES)}")

    # open the path as any subject of the command line
    file = Path(path).expanduser()
    if not file.exists():
        raise InputError(f"{path}: no such file or folder; check the path.")
    samples: Source | None = registry.open_accepted(("sources",), file)
    if samples is None:
        raise InputError(
            f"{path} holds no samples; give a folder or archive of images, an .npz with arr_0, or an .npy."
        )

    # choose the rows of the split
    # an odd number of samples leaves one out, because train and test are compared at equal counts
    first, last = (round(share * (len(samples) // 2 * 2)) for share in SPLIT_SHARES[split])
    if last - first < 2:
        raise InputError(f"{path} holds {len(samples)} samples, which are too few to split; give 20 or more.")
    # the permutation has a fixed seed, so train and test share no rows
    rows = np.sort(np.random.default_rng(0).permutation(len(samples))[first:last])
    return Subset(samples, rows, f"{path},split={split}")
