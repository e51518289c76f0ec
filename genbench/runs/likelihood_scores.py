"""The log-likelihood of reference samples under a trained model."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.derived_sources import subset
from genbench.errors import PlugError, guest_code
from genbench.plugs.contract_checks import read_batches
from genbench.plugs.contracts import Source
from genbench.results import Entry

if TYPE_CHECKING:
    import torch

SCORED_ROWS = 100
"""Number of reference samples that are scored; a thousand codes for each sample take a while."""
CODE_COUNTS = (1, 10, 100, 1000)
"""Numbers of latent codes for each sample in the importance-weighted bounds; a bound with one code is the ELBO."""


def likelihoods(sampler: Any, source: Source, *, seed: int = 0) -> list[Entry]:
    """Return the mean log-likelihood of rows of a source, in nats a row; no entry if the sampler does not provide it.

    If ``sampler.log_likelihood`` has a parameter ``samples``, it is an importance-weighted bound, which rises with the
    number K of codes (Burda et al. 2015, arXiv 1509.00519); the entries are then ``elbo`` for K = 1 and ``iwae_K``, all
    for the same rows. Otherwise the only entry is ``log_likelihood``. Labels are passed if the sampler has classes and
    a parameter ``label``. Raises PlugError if ``log_likelihood`` raises or returns another shape than [N].
    """
    log_likelihood = getattr(sampler, "log_likelihood", None)
    if log_likelihood is None:
        return []
    parameters = inspect.signature(log_likelihood).parameters
    # all bounds use the same rows, so that their differences are exact
    rows = subset(source, min(SCORED_ROWS, len(source)), seed)
    data, label = _tensors(rows)
    # pass only the optional arguments that the sampler knows
    options: dict[str, Any] = {}
    if "label" in parameters and label is not None and getattr(sampler, "classes", None):
        options["label"] = label
    if "seed" in parameters:
        options["seed"] = seed
    detail = {"rows": len(rows), "of": rows.name, "given": "class" if "label" in options else "nothing"}
    if "samples" not in parameters:
        return [_likelihood_entry("log_likelihood", log_likelihood, data, options, detail)]
    # the ELBO is the bound with one code
    entries = []
    for codes in CODE_COUNTS:
        name = "elbo" if codes == 1 else f"iwae_{codes}"
        entries.append(_likelihood_entry(name, log_likelihood, data, {**options, "samples": codes}, detail))
    return entries


def _tensors(source: Source) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return all rows of a source and their classes, as the networks of samplers take them."""
    import torch

    batches = list(read_batches(source, len(source)))
    labels = [batch.label for batch in batches if batch.label is not None]
    data = torch.from_numpy(np.concatenate([batch.data for batch in batches]))
    return data, torch.from_numpy(np.concatenate(labels)) if labels else None


def _likelihood_entry(
    name: str, log_likelihood: Any, data: Any, options: dict[str, Any], detail: dict[str, Any]
) -> Entry:
    # a guest's error is reported with its place in the guest's code
    with guest_code(f"log_likelihood of {len(data)} rows"):
        values = np.asarray(log_likelihood(data, **options), np.float64)  # [N], in nats
    if values.shape != (len(data),):
        raise PlugError(
            f"log_likelihood returned the shape {list(values.shape)} for {len(data)} rows; return one number a row."
        )
    # the standard error covers the choice of the rows, not the randomness of the codes
    error_of_mean = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
    detail = {**detail, "unit": "nats a sample; images scaled to 0..1", "error_by": "spread over rows"}
    key = "evidence_lower_bound" if name == "elbo" else name.replace("iwae_", "importance_weighted_bound_")
    return Entry(name, key, float(values.mean()), error_of_mean, "higher", "likelihood", detail)
