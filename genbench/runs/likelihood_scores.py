"""What a trained model claims of itself, and how far it is true: likelihoods, and its critic's idea of the distance."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from genbench.errors import GenbenchError, PlugError, guest_error
from genbench.plugs.contracts import Batch, Source
from genbench.results import Entry
from genbench.sampling import subset

ROWS = 100
"""How many rows of the reference a likelihood is taken of: a thousand codes a row take their time."""
CODES = (1, 10, 100, 1000)
"""Codes a row of the importance-weighted bounds; one is the ELBO."""


def likelihoods(sampler: Any, source: Source, *, seed: int = 0) -> list[Entry]:
    """Return the mean log-likelihood of rows of a source, in nats a row, where the sampler can tell it.

    A ``log_likelihood`` that takes ``samples`` is a bound that rises with them (Burda et al. 2015, arXiv 1509.00519):
    ``elbo`` with one code a row, ``iwae_K`` with K, of the same rows. Others give ``log_likelihood``. Classes are given
    where the sampler takes them. Raises PlugError where the sampler errs.
    """
    tell = getattr(sampler, "log_likelihood", None)
    if tell is None:
        return []
    parameters = inspect.signature(tell).parameters
    few = subset(source, min(ROWS, len(source)), seed)
    batch = _whole(few)
    given: dict[str, Any] = {}
    if "label" in parameters and batch.label is not None and getattr(sampler, "classes", None):
        given["label"] = batch.label
    if "seed" in parameters:
        given["seed"] = seed
    detail = {"rows": len(few), "of": few.name, "given": "class" if "label" in given else "nothing"}
    if "samples" not in parameters:
        return [_likelihood("log_likelihood", tell, batch.data, given, detail)]
    return [
        _likelihood("elbo" if codes == 1 else f"iwae_{codes}", tell, batch.data, {**given, "samples": codes}, detail)
        for codes in CODES
    ]


def _whole(source: Source) -> Batch:
    """Return all rows of a source as one batch."""
    import torch

    batches = list(source.batches(len(source)))
    labels = [batch.label for batch in batches if batch.label is not None]
    data = torch.cat([torch.as_tensor(batch.data) for batch in batches])
    return Batch(torch.arange(len(data)), data, torch.cat(labels) if labels else None)


def _likelihood(name: str, tell: Any, data: Any, given: dict[str, Any], detail: dict[str, Any]) -> Entry:
    try:
        rows = np.asarray(tell(data, **given), np.float64)
    except GenbenchError:
        raise
    except Exception as error:
        raise guest_error(f"log_likelihood of {len(data)} rows", error) from error
    if rows.shape != (len(data),):
        raise PlugError(f"log_likelihood gave {list(rows.shape)} for {len(data)} rows; wanted one number a row.")
    spread = float(rows.std(ddof=1) / math.sqrt(len(rows))) if len(rows) > 1 else None
    about = {**detail, "unit": "nats a sample; images scaled to 0..1", "error_by": "spread over rows"}
    key = "evidence_lower_bound" if name == "elbo" else name.replace("iwae_", "importance_weighted_bound_")
    return Entry(name, key, float(rows.mean()), spread, "higher", "likelihood", about)
