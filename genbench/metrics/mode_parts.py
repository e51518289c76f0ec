"""Where the errors of a mode histogram's divergences come from: by how much each sample moves them, to first order."""

from __future__ import annotations

from typing import Any

import numpy as np

from genbench.arrays import Bool, Float64, Int64
from genbench.metrics.influence import influence_of
from genbench.plugs.contracts import Influence


def kl_parts(mode: Int64, kept: Bool, share: Float64, reference: Int64, error: float) -> Influence | None:
    """Return the parts of KL(histogram of the kept modes [N] || share [K]); ``reference`` [M] made the share."""
    ratio = _histogram(mode, kept, share) / np.where(share > 0, share, 1.0)
    return _parts(mode, kept, np.log(np.where(ratio > 0, ratio, 1.0)), -ratio, reference, error)


def tv_parts(mode: Int64, kept: Bool, share: Float64, reference: Int64, error: float) -> Influence | None:
    """Return the parts of the total variation between the histogram of the kept modes [N] and the share [K]."""
    sign = np.sign(_histogram(mode, kept, share) - share) / 2
    return _parts(mode, kept, sign, -sign, reference, error)


def _histogram(mode: Int64, kept: Bool, share: Float64) -> Float64:
    return np.asarray(np.bincount(mode[kept], minlength=len(share)) / max(int(kept.sum()), 1))


def _parts(mode: Int64, kept: Any, rise: Float64, fall: Float64, reference: Int64, error: float) -> Influence | None:
    if not kept.any():
        return None
    moves = np.where(kept, rise[mode] - rise[mode[kept]].mean(), 0.0) / kept.sum()
    return influence_of(moves, fall[reference] / max(len(reference), 1), error=error)
