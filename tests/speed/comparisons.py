"""Contestants that compare features: distances, their error, and metrics of pairs.

Peers run with their defaults. Each function prepares its input and returns the call to be timed. It raises ImportError
if a package is not installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genbench.plugs import registry
from genbench.plugs.specs import parse_specs
from tests.speed.images import patch_peers
from tests.speed.material import ROLES, Sizes, Timed

FEW = 512
"""Number of rows on each side; a quarter of the dimensions."""

OF_CLASSES = ("tstr", "vendi_per_class")
"""Metrics whose rows get classes."""


def distance_genbench(root: Path, sizes: Sizes) -> Timed:
    """From means and covariances."""
    from genbench.metrics.frechet.metric import frechet_distance

    (mean1, covariance1), (mean2, covariance2) = _moments(root, sizes.rows)
    return lambda: frechet_distance(mean1, covariance1, mean2, covariance2)


def distance_torch_fidelity(root: Path, sizes: Sizes, rows: int | None = None) -> Timed:
    """From means and covariances."""
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    sides = [{"mu": mean, "sigma": covariance} for mean, covariance in _moments(root, rows or sizes.rows)]
    return lambda: next(iter(fid_statistics_to_metric(*sides, False).values()))


def distance_pytorch_fid(root: Path, sizes: Sizes, rows: int | None = None) -> Timed:
    """From means and covariances, by scipy.linalg.sqrtm."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    patch_peers(root)
    (mean1, covariance1), (mean2, covariance2) = _moments(root, rows or sizes.rows)
    return lambda: float(calculate_frechet_distance(mean1, covariance1, mean2, covariance2))


def distance_torchmetrics(root: Path, sizes: Sizes, rows: int | None = None) -> Timed:
    """From means and covariances."""
    import torch
    from torchmetrics.image.fid import _compute_fid

    (mean1, covariance1), (mean2, covariance2) = (
        (torch.from_numpy(mean), torch.from_numpy(covariance))
        for mean, covariance in _moments(root, rows or sizes.rows)
    )
    return lambda: float(_compute_fid(mean1, covariance1, mean2, covariance2))


def few_rows_genbench(root: Path, sizes: Sizes) -> Timed:
    """From 512 rows on each side, without computing covariances."""
    from genbench.metrics.frechet.metric import frechet_distance_of_rows

    generated, reference = _rows(root, FEW)
    return lambda: frechet_distance_of_rows(generated, reference)


def few_rows_torch_fidelity(root: Path, sizes: Sizes) -> Timed:
    """From the covariances of 512 rows."""
    return distance_torch_fidelity(root, sizes, FEW)


def few_rows_pytorch_fid(root: Path, sizes: Sizes) -> Timed:
    """From the covariances of 512 rows."""
    return distance_pytorch_fid(root, sizes, FEW)


def few_rows_torchmetrics(root: Path, sizes: Sizes) -> Timed:
    """From the covariances of 512 rows."""
    return distance_torchmetrics(root, sizes, FEW)


def error_genbench(root: Path, sizes: Sizes) -> Timed:
    """The whole metric: moments, distance, its error and its debiased value."""
    return _metrics(root, sizes, "fid")


def cached_reference_genbench(root: Path, sizes: Sizes) -> Timed:
    """The whole metric for a new subject; what depends on the reference only lies in the store."""
    from genbench.extraction.feature_store import Store

    os.environ["GENBENCH_CACHE"] = str(root / "derived")
    store = Store.default()
    assert store is not None
    reference, first, new = (
        _side(root / f"{role}-{sizes.rows}.npy", "fid") for role in ("reference", "train", "generated")
    )
    (metric,) = (registry.load("metrics", spec) for spec in parse_specs("fid"))
    kept = [replace(reference, cache=store.derived("random features", "reference")) for _ in range(2)]
    # another subject has filled the store; a new process would read it from there
    metric(first, kept[0], seed=0)
    return lambda: metric(new, kept[1], seed=0)[0].value


def pairs_torch_fidelity(root: Path, sizes: Sizes) -> Timed:
    """KID over 100 subsets, precision, recall."""
    import torch
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    generated, reference = (torch.from_numpy(rows) for rows in _rows(root, sizes.rows))

    def timed() -> Any:
        size = min(1000, len(generated))
        kid = kid_features_to_metric(generated, reference, kid_subset_size=size, verbose=False)
        prc_features_to_metric(generated, reference, verbose=False)
        return kid["kernel_inception_distance_mean"]

    return timed


def neighbours_prdc(root: Path, sizes: Sizes) -> Timed:
    """Precision, recall, density and coverage."""
    from prdc import compute_prdc

    generated, reference = _rows(root, sizes.rows)
    return lambda: compute_prdc(real_features=reference, fake_features=generated, nearest_k=5)["density"]


def _rows(root: Path, rows: int) -> tuple[np.ndarray, np.ndarray]:
    return np.load(root / f"generated-{rows}.npy"), np.load(root / f"reference-{rows}.npy")


def _moments(root: Path, rows: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (features.mean(axis=0, dtype=np.float64), np.cov(features.astype(np.float64), rowvar=False))
        for features in _rows(root, rows)
    ]


def metric_genbench(spec: str) -> Callable[[Path, Sizes], Timed]:
    """Return the contestant that evaluates one metric, or several in one pass, with errors."""
    return lambda root, sizes: _metrics(root, sizes, spec)


def _metrics(root: Path, sizes: Sizes, names: str) -> Timed:
    # metrics of pixels read other views, and some metrics a third side
    generated, reference, train = (_side(root / f"{role}-{sizes.rows}.npy", names) for role in ROLES)
    metrics = [registry.load("metrics", spec) for spec in parse_specs(names)]
    keywords = {"seed": 0, **({"train": train} if getattr(metrics[0], "training_rows", None) else {})}
    evaluate_together = getattr(metrics[0], "evaluate_together", None)
    if evaluate_together is None:
        return lambda: metrics[0](generated, reference, **keywords)[0].value
    return lambda: evaluate_together(metrics, generated, reference, **keywords)[0][0].value


def _side(path: Path, names: str) -> Any:
    from genbench.features.features import Features

    # classes that the features tell apart, if not perfectly
    rows = np.load(path)
    features = Features.of(embedding=rows, spectrum=rows)
    return replace(features, label=rows[:, :10].argmax(axis=1)) if names in OF_CLASSES else features
