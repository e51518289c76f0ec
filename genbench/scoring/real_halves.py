"""Score one half of the reference against the other: what real samples reach in the main metric."""

from __future__ import annotations

import numpy as np

from genbench.comparison.real_against_real import RealAgainstReal
from genbench.errors import GenbenchError, InputError, guest_code
from genbench.features.chosen_rows import chosen_rows
from genbench.features.features import Features
from genbench.plugs.contract_checks import checked_scores
from genbench.plugs.contracts import Metric, Score
from genbench.scoring.panel_error import SPLIT_SEED
from genbench.scoring.panel_rows import choose_rows
from genbench.scoring.plan import Plan
from genbench.scoring.slice_scores import Inputs, score_of_volumes, with_average

FEWEST_VOLUMES = 4
"""Fewest volumes of a half of the reference: an error of fewer says nothing."""


def real_against_real(plan: Plan) -> RealAgainstReal | None:
    """Return the first score of a plan for real samples, and for as many generated ones, after ``plan.score``.

    The reference is halved as that of a panel: one half is the real samples, the other the reference of both scores.
    Volumes stay whole, because slices of one volume on both sides would resemble each other.
    None if the first metric compares no samples, takes training samples, or cannot be computed from so few.
    """
    # the first metric, if it compares samples
    extractor, metrics = next(iter(plan.metrics.items()), ("", []))
    metric = metrics[0] if metrics else None
    if metric is None or metric.reference == "none" or getattr(metric, "training_rows", None) == "needed":
        return None
    if plan.sides.rows is None:
        return None
    # two halves of the reference, and as many generated samples
    try:
        generated = plan.sides.features("generated", extractor)
        reference = plan.sides.features("reference", extractor)
        chosen, real, other = _chosen_sides(generated, reference)
        scores = [_first_score(metric, side, other, plan.sides.options.seed) for side in (chosen, real)]
    except (GenbenchError, IndexError):
        # too few samples in a half: the score itself is shown without a comparison
        return None
    units = len(chosen) if chosen.volume is None else len(np.unique(chosen.volume))
    return RealAgainstReal(scores[0], scores[1], len(chosen), units) if scores[0].better else None


def _chosen_sides(generated: Features, reference: Features) -> tuple[Features, Features, Features]:
    """Return as many generated and real samples, and the other half of the reference.

    Raises InputError for too few samples, and for images beside volumes.
    """
    if reference.volume is None:
        choice = choose_rows(generated, reference, None, published=False)
        trio = choice.trio(generated, reference, None, None)
        assert isinstance(trio.reference, Features)
        assert isinstance(trio.floor, Features)
        return trio.generated, trio.floor, trio.reference
    # halves of the volumes, and as many volumes of the generated side
    if generated.volume is None:
        raise InputError(f"{generated.name} holds no volumes to compare with those of {reference.name}.")
    volumes = generated.volume, reference.volume
    orders = [np.random.default_rng(SPLIT_SEED).permutation(np.unique(each)) for each in volumes]
    half = len(orders[1]) // 2
    count = min(len(orders[0]), half)
    if count < FEWEST_VOLUMES:
        raise InputError(f"A comparison with real volumes needs {FEWEST_VOLUMES} on each side.")
    chosen = chosen_rows(generated, np.flatnonzero(np.isin(volumes[0], orders[0][:count])))
    real, other = (
        chosen_rows(reference, np.flatnonzero(np.isin(volumes[1], part)))
        for part in (orders[1][:count], orders[1][half:])
    )
    return chosen, real, other


def _first_score(metric: Metric, side: Features, reference: Features, seed: int) -> Score:
    """Return the first score of a metric, the average over planes for slices in several."""
    scores = {}
    for plane, own in Inputs(side, [reference], [None]).by_plane().items():
        with guest_code(type(metric).__name__):
            found = metric(own.generated, own.references[0], seed=seed)
        first = checked_scores(found, type(metric).__name__)[0]
        scores[plane] = [score_of_volumes(first, own.generated, own.references[0])]
    return with_average(scores)[""][0]
