"""Lower bounds of ln p(x) for a latent-variable model: the ELBO and the tighter importance-weighted bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

DECODER_BATCH = 1024
"""Number of codes that are decoded at once."""


class LatentVariableModel(Protocol):
    """A model p(x) = E_p(z) p(x | z) with an approximate posterior q(z | x)."""

    metadata: dict[str, Any]

    def log_weights(self, x: Tensor, label: Tensor | None, samples: int, generator: torch.Generator) -> Tensor:
        """Return ln p(x | z) + ln p(z) - ln q(z | x) for ``samples`` codes per row, [N, samples]."""
        ...


class Bound(NamedTuple):
    """A lower bound of E ln p(x) in nats per row, for images scaled to 0..1 and points in the units of their source."""

    name: str
    """``"elbo"`` or ``"iwae-K"``."""
    value: float
    error: float
    """Standard error of the mean over rows."""
    rows: np.ndarray[Any, Any]
    """float64 [N]"""


def likelihood_bounds(
    model: LatentVariableModel,
    data: ArrayLike | Tensor,
    label: ArrayLike | Tensor | None = None,
    *,
    samples: Sequence[int] = (1, 10, 100, 1000),
    seed: int = 0,
) -> list[Bound]:
    """Return the bounds L_K = E ln 1/K sum_k w_k, w_k = p(x, z_k) / q(z_k | x), z_k ~ q(z | x); K from ``samples``.

    L_1 is the ELBO (Kingma and Welling 2013, arXiv 1312.6114); L_K rises with K to ln p(x) (Burda et al. 2015, arXiv
    1509.00519). All bounds use the same codes, in disjoint groups of K. If each K divides the next, the bounds of every
    single row rise by Jensen's inequality. ``data`` is uint8 [N, 3, H, W] or float [N, D], as a source gives it;
    ``label`` is int [N]. The 256 pixel levels are not dequantised. Raises ValueError if there are no rows, if the data
    do not fit the model, or if a K does not divide the largest one.
    """
    largest = max(samples)
    if any(count < 1 or largest % count for count in samples):
        raise ValueError(f"samples={tuple(samples)}: each must divide the largest, as 1, 10, 100, 1000 do")
    # the bounds of one batch of rows after another, all from the same log weights
    batches = [
        [importance_bound(weights, count) for count in samples]
        for weights in _batched_log_weights(model, data, label, largest, seed)
    ]
    bounds = []
    for index, count in enumerate(samples):
        rows = torch.cat([batch[index] for batch in batches]).numpy()
        error = float(rows.std(ddof=1) / math.sqrt(len(rows))) if len(rows) > 1 else math.nan
        bounds.append(Bound("elbo" if count == 1 else f"iwae-{count}", float(rows.mean()), error, rows))
    return bounds


def importance_bound(log_weights: Tensor, count: int) -> Tensor:
    """Return ln 1/K sum_k w_k with K = ``count``, averaged over disjoint groups; [N, samples] -> float64 [N]."""
    # [N, samples] -> [N, groups, K]; log-sum-exp in float64
    groups = log_weights.double().reshape(len(log_weights), -1, count)
    return (torch.logsumexp(groups, dim=2) - math.log(count)).mean(dim=1)


def log_jacobian(metadata: dict[str, Any]) -> float:
    """Return ln |dx / dx'|, the log Jacobian of the change from network units x' to reported units x.

    The network uses images in -1..1 and points divided by ``scale``. Reported densities are for images in 0..1 and for
    points in the units of their source: ln p(x) = ln p(x') - log_jacobian.
    """
    # x = scale x' for points and x = x'/2 + 1/2 for images
    shape, scale = metadata["shape"], float(metadata["scale"])
    return float(math.prod(shape) * math.log(scale if len(shape) == 1 else 0.5))


def _batched_log_weights(
    model: LatentVariableModel, data: ArrayLike | Tensor, label: ArrayLike | Tensor | None, samples: int, seed: int
) -> Iterator[Tensor]:
    if not hasattr(model, "metadata"):
        raise ValueError("the model is not trained yet: fit it, or load its weights")
    values = _as_values(torch.as_tensor(data), model.metadata)
    if not len(values):
        raise ValueError("the data have no rows, so there is no likelihood")
    labels = None if label is None else torch.as_tensor(label)
    if labels is not None and len(labels) != len(values):
        raise ValueError(f"got {len(values)} rows but {len(labels)} labels")
    # a batch has as many rows as DECODER_BATCH codes allow
    generator = torch.Generator().manual_seed(seed)
    batch_size = max(1, DECODER_BATCH // samples)
    for start in range(0, len(values), batch_size):
        batch = slice(start, start + batch_size)
        with torch.inference_mode():
            yield model.log_weights(values[batch], None if labels is None else labels[batch], samples, generator)


def _as_values(data: Tensor, metadata: dict[str, Any]) -> Tensor:
    """Convert samples of a source to the scale of the network; the inverse of ``as_samples``."""
    # points have the shape [D], images [C, H, W]
    shape = tuple(metadata["shape"])
    if len(shape) == 1 and data.shape[1:] == shape:
        return data.float() / float(metadata["scale"])
    if len(shape) == 3 and data.dtype == torch.uint8 and data.shape[1:] == (3, *shape[1:]):
        if shape[0] == 1 and not bool((data == data[:, :1]).all()):
            raise ValueError("the model was trained on gray images, but these have colours")
        return data[:, : shape[0]].float() / 127.5 - 1
    expected = f"float [N, {shape[0]}]" if len(shape) == 1 else f"uint8 [N, 3, {shape[1]}, {shape[2]}]"
    raise ValueError(f"the model expects {expected}, not {str(data.dtype).removeprefix('torch.')} {list(data.shape)}")
