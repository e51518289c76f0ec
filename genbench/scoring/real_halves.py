"""Score one half of the reference against the other: what real samples reach in the main metric."""

from __future__ import annotations

from genbench.comparison.real_against_real import RealAgainstReal
from genbench.errors import GenbenchError, guest_code
from genbench.features.features import Features
from genbench.plugs.contract_checks import checked_scores
from genbench.plugs.contracts import Score
from genbench.scoring.panel_rows import choose_rows
from genbench.scoring.plan import Plan


def real_against_real(plan: Plan) -> RealAgainstReal | None:
    """Return the first score of a plan for real samples, and for as many generated ones, after ``plan.score``.

    The reference is halved as that of a panel: one half is the real samples, the other the reference of both scores.
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
        reference = plan.sides.features("reference", extractor)
        choice = choose_rows(plan.sides.features("generated", extractor), reference, None, published=False)
        trio = choice.trio(plan.sides.features("generated", extractor), reference, None, None)
        scores: list[Score] = []
        for side in (trio.generated, trio.floor):
            assert isinstance(side, Features)
            with guest_code(type(metric).__name__):
                found = metric(side, trio.reference, seed=plan.sides.options.seed)
            scores.append(checked_scores(found, type(metric).__name__)[0])
    except (GenbenchError, IndexError):
        # too few samples in a half: the score itself is shown without a comparison
        return None
    return RealAgainstReal(scores[0], scores[1], choice.rows) if scores[0].better else None
