"""The part of the verb ``gate`` that scores a subject itself: with a fixed number of samples, or until they decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from genbench.cli.options import score_options, writable
from genbench.cli.printing import guests, show_hints, show_warnings
from genbench.comparison.gate import gate
from genbench.comparison.gate_checks import Check
from genbench.comparison.group_by_subject import read_subjects
from genbench.distributed import joined
from genbench.errors import UsageError
from genbench.plugs.opening import open_sampler, open_subject
from genbench.scoring.options import Options
from genbench.scoring.plan import Plan
from genbench.scoring.until_decided import Until, score_until


def checks_of_subject(
    subject: str, against: str, metrics: Sequence[str] | None, rules: Mapping[str, Any], options: dict[str, Any]
) -> list[Check]:
    """Score a sampler or samples, and return the checks against the baseline.

    ``rules`` are ``max_increase``, ``confidence`` and ``paired``; ``options`` the other options of the command line.
    """
    until, most, benchmark, to = (options.pop(name) for name in ("until", "max_count", "benchmark", "to"))
    is_sampler = options.pop("sampler") is not None
    del options["samples"]
    if until is None and most is not None:
        raise UsageError("--max-count needs --until decided; --count is the number of samples without it.")
    if metrics is not None and until is not None and len(metrics) != 1:
        raise UsageError("One score decides with --until; give one --metric.")
    to = None if to is None else writable(to)
    with guests(), joined() as ranks:
        follows = ranks is not None and ranks.rank > 0
        given = {**score_options(options), "ranks": ranks, **({"progress": False} if follows else {})}
        with guests():
            opened = open_sampler(subject) if is_sampler else open_subject(subject)
        if until is not None:
            chosen = Until(against, metrics[0] if metrics else None, max_count=most, **rules)
            decided = score_until(opened, benchmark, Options.of({**given, "name": given["name"] or subject}), chosen)
            result, checks = decided.result, [] if decided.check is None else [decided.check]
        else:
            # the benchmark of the baseline, unless another one or a reference is named
            if benchmark is None and given["reference"] is None:
                first = next(iter(read_subjects(against).values()))[0]
                benchmark = (first.benchmark or "").partition("@")[0] or None
            plan = Plan.make(opened, benchmark, Options.of({**given, "name": given["name"] or subject}))
            if follows:
                plan.share()
                raise click.exceptions.Exit(0)
            result = plan.score()
            checks = gate([result], against, metrics=metrics, **rules)
    # only rank 0 prints and writes; doubts about the samples stand before the verdict
    if follows:
        raise click.exceptions.Exit(0)
    show_warnings(result.warnings)
    show_hints(result.hints)
    if to is not None:
        replace(result, spec=subject).append(to)
    return checks
