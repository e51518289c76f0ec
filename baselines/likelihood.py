"""How likely a latent-variable model finds data: the ELBO and the tighter importance-weighted bounds below ln p(x)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

DECODED = 1024
"""How many codes go through a decoder at once."""


class LatentVariableModel(Protocol):
    """p(x) = E_p(z) p(x | z) together with a q(z | x) to draw codes from."""

    about: dict[str, Any]

    def log_weights(self, x: Tensor, label: Tensor | None, samples: int, generator: torch.Generator) -> Tensor:
        """Return ln p(x | z) + ln p(z) - ln q(z | x) of ``samples`` codes a row, [N, samples]."""
        ...


class Bound(NamedTuple):
    """A lower bound of E ln p(x) in nats per row, for images scaled to 0..1 and points in their source's units."""

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
    """Return the bounds L_K = E ln 1/K sum_k w_k, w_k = p(x, z_k) / q(z_k | x), z_k ~ q(z | x), for each K asked.

    L_1 is the ELBO (Kingma and Welling 2013, arXiv 1312.6114); L_K rises with K to ln p(x) (Burda et al. 2015, arXiv
    1509.00519). All come from the same codes, in disjoint groups of K: where each K divides the next, every row's
    bounds rise by Jensen's inequality, not on average only. ``data`` uint8 [N, 3, H, W] or float [N, D] as a source
    gives it, ``label`` int [N]; the density is taken at the 256 levels as they are, without noise added. Raises
    ValueError where there are no rows, the data do not fit the model, or a K does not divide the largest.
    """
    most = max(samples)
    if any(count < 1 or most % count for count in samples):
        raise ValueError(f"samples={tuple(samples)}: each must divide the largest, as 1, 10, 100, 1000 do")
    parts = [
        [importance_bound(weights, count) for count in samples]
        for weights in _log_weights(model, data, label, most, seed)
    ]
    bounds = []
    for at, count in enumerate(samples):
        rows = torch.cat([part[at] for part in parts]).numpy()
        error = float(rows.std(ddof=1) / math.sqrt(len(rows))) if len(rows) > 1 else math.nan
        bounds.append(Bound("elbo" if count == 1 else f"iwae-{count}", float(rows.mean()), error, rows))
    return bounds


def importance_bound(log_weights: Tensor, count: int) -> Tensor:
    """Return ln 1/K sum_k w_k, K = ``count``, averaged over disjoint groups of K in ln w [N, samples]; float64 [N]."""
    groups = log_weights.double().reshape(len(log_weights), -1, count)
    return (torch.logsumexp(groups, dim=2) - math.log(count)).mean(dim=1)


def log_unit(about: dict[str, Any]) -> float:
    """Return ln |d x / d x'| summed over the coordinates of a row, x as reported, x' as the network sees it.

    Networks see images in -1..1 and points divided by ``scale``; reported are densities of images in 0..1 and of
    points in their own units: ln p(x) = ln p(x') - log_unit.
    """
    shape, scale = about["shape"], float(about["scale"])
    return float(math.prod(shape) * math.log(scale if len(shape) == 1 else 0.5))


def _log_weights(
    model: LatentVariableModel, data: ArrayLike | Tensor, label: ArrayLike | Tensor | None, samples: int, seed: int
) -> Iterator[Tensor]:
    if not hasattr(model, "about"):
        raise ValueError("the model is not trained yet: fit it, or load its weights")
    values = _as_values(torch.as_tensor(data), model.about)
    if not len(values):
        raise ValueError("there are no rows whose likelihood could be told")
    labels = None if label is None else torch.as_tensor(label)
    if labels is not None and len(labels) != len(values):
        raise ValueError(f"{len(values)} rows came with {len(labels)} labels")
    generator = torch.Generator().manual_seed(seed)
    rows = max(1, DECODED // samples)
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        with torch.inference_mode():
            yield model.log_weights(values[part], None if labels is None else labels[part], samples, generator)


def _as_values(data: Tensor, about: dict[str, Any]) -> Tensor:
    """Return what a source gives as the network sees it: the way back of ``as_samples``."""
    shape = tuple(about["shape"])
    if len(shape) == 1 and data.shape[1:] == shape:
        return data.float() / float(about["scale"])
    if len(shape) == 3 and data.dtype == torch.uint8 and data.shape[1:] == (3, *shape[1:]):
        if shape[0] == 1 and not bool((data == data[:, :1]).all()):
            raise ValueError("the model was trained on gray images; these have colours")
        return data[:, : shape[0]].float() / 127.5 - 1
    wanted = f"float [N, {shape[0]}]" if len(shape) == 1 else f"uint8 [N, 3, {shape[1]}, {shape[2]}]"
    raise ValueError(f"the model wants {wanted}, not {str(data.dtype).removeprefix('torch.')} {list(data.shape)}")
