"""The part of the verb ``gate`` that scores a subject itself: with a fixed number of samples, or until they decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from genbench.cli.options import score_options, writable
from genbench.cli.printing import guests, say, show_hints, show_warnings
from genbench.comparison.gate import gate
from genbench.comparison.gate_checks import Check
from genbench.comparison.group_by_subject import metric_name, read_subjects
from genbench.distributed import joined
from genbench.errors import InputError, UsageError
from genbench.plugs.opening import open_sampler
from genbench.scoring.generated_side import open_generated
from genbench.scoring.options import Options
from genbench.scoring.plan import Plan
from genbench.scoring.until_decided import Until, score_until


def checks_of_subject(
    subject: str, against: str, metrics: Sequence[str] | None, rules: Mapping[str, Any], options: dict[str, Any]
) -> list[Check]:
    """Score a sampler or samples, and return the checks against the baseline.

    ``rules`` are ``max_increase``, ``confidence`` and ``paired``; ``options`` the other options of the command line.
    """
    named = ("until", "max_count", "benchmark", "to", "dry_run")
    until, most, benchmark, to, dry_run = (options.pop(name) for name in named)
    is_sampler = options.pop("sampler") is not None
    del options["samples"]
    if until is None and most is not None:
        raise UsageError("--max-count needs --until decided; --count is the number of samples without it.")
    if metrics is not None and until is not None and len(metrics) != 1:
        raise UsageError("One score decides with --until; give one --metric.")
    to = None if to is None else writable(to)
    cost = None
    with guests(), joined() as ranks:
        follows = ranks is not None and ranks.rank > 0
        given = {**score_options(options), "ranks": ranks, **({"progress": False} if follows else {})}
        with guests():
            opened = open_sampler(subject) if is_sampler else open_generated(subject)
        if until is not None and not dry_run:
            chosen = Until(against, metrics[0] if metrics else None, max_count=most, **rules)
            decided = score_until(opened, benchmark, Options.of({**given, "name": given["name"] or subject}), chosen)
            result, checks = decided.result, [] if decided.check is None else [decided.check]
        else:
            benchmark = benchmark or _benchmark_of(against, given["reference"])
            plan = Plan.make(opened, benchmark, Options.of({**given, "name": given["name"] or subject}))
            # what the baseline cannot be compared with is told before the long work
            _require_fitting(plan, against, metrics)
            cost = plan.cost() if dry_run else None
            if follows:
                plan.share()
                raise click.exceptions.Exit(0)
            if cost is None:
                result = plan.score()
                checks = gate([result], against, metrics=metrics, **rules)
    # the cost is all that a dry run prints
    if cost is not None:
        say(cost.to_text())
        raise click.exceptions.Exit(0)
    # only rank 0 prints and writes; doubts about the samples stand before the verdict
    if follows:
        raise click.exceptions.Exit(0)
    show_warnings(result.warnings)
    show_hints(result.hints)
    if to is not None:
        replace(result, spec=subject).append(to)
    return checks


def _benchmark_of(against: str, reference: str | None) -> str | None:
    """Return the benchmark of the baseline, unless a reference is named."""
    if reference is not None:
        return None
    first = next(iter(read_subjects(against).values()))[0]
    return (first.benchmark or "").partition("@")[0] or None


def _require_fitting(plan: Plan, against: str, metrics: Sequence[str] | None) -> None:
    """Raise UsageError or InputError if the result of a plan could not be compared with a baseline.

    What is known before the samples are read is checked: the metrics, the benchmark, the number of samples, and the
    extractors. The gate compares everything else.
    """
    if not against.endswith((".jsonl", ".json")):
        return
    subjects = read_subjects(against)
    # the subject of the same name, if there is one
    baseline = subjects.get(plan.sides.options.name or "", next(iter(subjects.values())))[0]
    # a mistyped metric
    for metric in metrics or ():
        metric_name([baseline], metric)
    extractors = {plan.sides.extractor(name).name for name in plan.metrics}
    fields = {
        "benchmark": (str(plan.benchmark or "none"), baseline.benchmark or "none"),
        "count": (str(len(plan.sides.generated)), str(baseline.generated.count)),
        "features": (", ".join(sorted(extractors)), ", ".join(sorted(baseline.extractors))),
    }
    # the first field that differs says enough
    for field, (new, old) in fields.items():
        if new != old:
            raise InputError(
                f"The result would have the {field} {new}, and the baseline {baseline.name} in {against} has {old}, so "
                "they could not be compared; score both in the same way."
            )
