"""What a metric needs of both sides and does not get, in sentences; known before anything is extracted."""

from __future__ import annotations

from genbench.errors import number_of
from genbench.features.features import Features
from genbench.plugs.contracts import Metric
from genbench.scoring.sides import Sides, takes_train

_STATISTICS_ADVICE = "give the samples themselves, or what `genbench stats --spatial` writes."


def lacking_side(sides: Sides, metric: Metric) -> str:
    """Return a sentence about what a metric needs beside the samples and does not get, or an empty text."""
    # training samples first, then the rows or the moments of the reference
    if getattr(metric, "training_rows", None) == "needed" and "train" not in sides.further:
        return "needs the training samples: add --train PATH (train=PATH in Python), and a held-out --reference."
    # a file of features holds the views that its extractor was asked for
    rows, view = sides.rows, getattr(metric, "view", "embedding")
    if metric.reference == "moments" and isinstance(rows, Features) and view not in rows.views:
        return f"reads {view!r}, but {rows.name} contains only {', '.join(rows.views)}; {_STATISTICS_ADVICE}"
    if metric.reference == "none" or sides.rows is not None or sides.moments_of(metric) is not None:
        return ""
    if sides.moments is None:
        return "compares with a reference: add --reference PATH, or --benchmark NAME."
    if metric.reference == "moments":
        return (
            f"needs mean and covariance of {view!r}, which {sides.moments.name} does not contain (mu_s and sigma_s are "
            f"those of 'spatial'); {_STATISTICS_ADVICE}"
        )
    return (
        "needs the reference's samples, but a statistics file contains only mean and covariance: give the folder, "
        "archive or data set itself, or features written by `genbench stats --out FILE.safetensors`."
    )


def too_few_samples(sides: Sides, metric: Metric) -> str:
    """Return a sentence about samples that a metric needs and a side does not have, or an empty text."""
    # moments from a file have enough samples behind them
    reference = sides.rows if sides.needs_rows(metric) else None
    train = sides.further.get("train") if takes_train(metric) else None
    least = (*getattr(metric, "least_samples", (0, 0)), 0)
    given = (sides.generated, reference, train)
    for role, side, needed in zip(("generated", "reference", "training"), given, least, strict=False):
        if side is not None and len(side) < needed:
            return f"needs at least {number_of(needed, f'{role} samples')}, but {side.name} holds {len(side):,}"
    return ""
