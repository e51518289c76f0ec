"""The verb ``gate``: fail where a result got worse than its baseline."""

from __future__ import annotations

import os
from pathlib import Path

import click

from genbench.cli.options import confidence, not_empty, writable
from genbench.cli.printing import say
from genbench.errors import InputError, UsageError


@click.command(short_help="Fail where a result got worse.")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--against", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Results of the baseline."
)
@click.option("--metric", callback=not_empty, metavar="LIST", help="The one that the benchmark sorts by, if not given.")
@click.option("--max-increase", metavar="X|X%", help="How much worse it may get; X% of the baseline.")
@click.option("--no-worse", is_flag=True, help="It may not get worse at all (the default).")
@confidence
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML.")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG badge.")
@click.option("--summary", type=click.Path(dir_okay=False, path_type=Path),
              help="Add a Markdown table to a file; $GITHUB_STEP_SUMMARY if not given.")  # fmt: skip
def gate(
    result: Path, against: Path, metric: str | None, max_increase: str | None, no_worse: bool, confidence: float,
    junit: Path | None, badge: Path | None, summary: Path | None,
) -> None:  # fmt: skip
    """Fail, with exit code 1, where a result is worse than its baseline beyond chance.

    A difference that its error explains passes; what is undecided says how many more samples would decide.

    \b
    genbench gate new.jsonl --against leaderboard.jsonl
    genbench gate new.jsonl --against old.jsonl --metric fd,recall --max-increase 2%
    """
    if no_worse and max_increase is not None:
        raise UsageError("--no-worse allows nothing and --max-increase something; give one of them.")
    from genbench.comparison.gate import gate as check_results
    from genbench.tables.gate_report import gate_badge, gate_junit, gate_markdown, gate_text, outcome_of

    if summary is None and os.environ.get("GITHUB_STEP_SUMMARY"):
        summary = Path(os.environ["GITHUB_STEP_SUMMARY"])
    paths = [None if path is None else writable(path) for path in (junit, badge, summary)]
    names = [name.strip() for name in metric.split(",")] if metric else None
    checks = check_results(result, against, metrics=names, max_increase=max_increase or 0.0, confidence=confidence)
    for path, content, mode in zip(paths, (gate_junit, gate_badge, gate_markdown), "wwa", strict=True):
        if path is not None:
            _write(path, content(checks), mode)
    say(gate_text(checks))
    if outcome_of(checks) == "failed":
        raise click.exceptions.Exit(1)


def _write(path: Path, text: str, mode: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another file.") from error
