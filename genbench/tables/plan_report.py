"""Write the plan of a comparison as text and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from genbench.comparison.study_plan import MOST_SEEDS, PRIOR_RATIO, Design, StudyPlan
from genbench.tables.line_width import wrapped

PUBLISHED = (
    f"Published values: retraining moves FID {PRIOR_RATIO} times as much as resampling, and below a gap of 1.3 % "
    "one run each says nothing (FID Lottery, arXiv 2606.20536). They may not hold for your models: make a pilot."
)


def plan_text(plan: StudyPlan) -> str:
    """Return the components, the designs and the advice, lines of at most 80 columns."""
    lines = [
        f"{plan.metric}: to show a difference of {plan.difference} with 80 % power (two-sided test at 5 %)",
        "",
        f"spread over trainings       {_amount_text(plan, plan.seed_variance)} (by {plan.seeds_by})",
        f"error of sampling           {_amount_text(plan, plan.sample_variance)} at {plan.count:,} samples",
        f"reference, in a difference  {_amount_text(plan, plan.reference_variance)}",
        "",
        f"methods: {_design_text(plan, plan.design())}",
    ]
    # the cheapest design is shown only where it is another one
    cheapest, usual = plan.cheapest, plan.design()
    if cheapest is not None and (usual is None or cheapest != usual):
        lines.append(f"cheapest: {_design_text(plan, cheapest)}")
    # one run each says something about checkpoints only
    count = plan.checkpoint_count
    needed = (
        "no number of samples is enough, because the reference is too small"
        if count is None
        else (f"{count:,} samples each tell them apart")
    )
    lines += [f"two checkpoints: {needed}", "", _advice(plan)]
    lines.append(
        f"One run each of {plan.count:,} samples says nothing about methods that differ by less than "
        f"{_amount_text(plan, plan.smallest_shift**2)}."
    )
    if "published" in plan.seeds_by:
        lines.append(PUBLISHED)
    return "\n".join(map(wrapped, lines))


def plan_json(plan: StudyPlan) -> str:
    """Return every field, the designs and the advice as one JSON object."""
    # computed values beside the fields
    usual, cheapest = plan.design(), plan.cheapest
    designs = {name: asdict(each) if each else None for name, each in (("design", usual), ("cheapest", cheapest))}
    fields = {**asdict(plan), **designs, "checkpoint_count": plan.checkpoint_count, "advice": _advice(plan)}
    return json.dumps(fields, ensure_ascii=False)


def _advice(plan: StudyPlan) -> str:
    """Return which of seeds and samples to buy."""
    # the larger component decides
    share = f"Trainings cause {100 * plan.seed_share:.0f} % of the variance of one run"
    if plan.seed_share >= 0.5:
        return f"Buy training seeds. {share}, and more samples do not reduce that."
    return (
        f"Buy samples{'' if not plan.fixed_count else ', as seeds, because the benchmark fixes their number'}. {share}."
    )


def _design_text(plan: StudyPlan, design: Design | None) -> str:
    # only the reference sets a limit that seeds do not lower
    if design is None and plan.checkpoint_count is None:
        return "no number of seeds is enough, because the reference is too small"
    if design is None:
        return f"more than {MOST_SEEDS:,} training seeds a side"
    # times are known from a pilot only
    cost = "" if design.seconds is None else f", about {_duration(design.seconds)} for both"
    return f"{design.seeds:,} training seeds a side, {design.count:,} samples each{cost}"


def _amount_text(plan: StudyPlan, variance: float) -> str:
    """Return a standard deviation in percent of the score, or in its unit for shares."""
    # from the scale to the score
    amount = math.sqrt(variance) * plan.unit
    return f"{amount:.2g}" if plan.is_share else f"{100 * amount:.2g} %"


def _duration(seconds: float) -> str:
    # the largest unit of which there are at least two
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} seconds"
