"""compare and gate: what is better, what is tied, and what has got worse."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import not_empty, reading, score_options, writable
from genbench.cli.printing import json_text, prints, say
from genbench.errors import InputError, UsageError

Confidence = float


def confidence_of(ctx: click.Context, option: click.Parameter, value: str) -> Confidence:
    """Turn 95% or .95 into .95."""
    try:
        number = float(value.strip().removesuffix("%")) / (100 if value.strip().endswith("%") else 1)
    except ValueError:
        number = 0.0
    if not 0.5 <= number < 1:
        raise click.BadParameter(f"{value!r} is no confidence from 50% to below 100%; write 95%.")
    return number


confidence = click.option(
    "--confidence",
    default="95%",
    show_default=True,
    metavar="P",
    callback=confidence_of,
    help="Of all verdicts at once.",
)


@click.command(short_help="Tell better, worse and tied.")
@click.argument("subjects", nargs=-1, required=True, metavar="A B ...")
@click.option("--reference", callback=not_empty, metavar="PATH|SPEC", help="Scored against it, where not yet scored.")
@click.option("--benchmark", callback=not_empty, metavar="NAME", help="Scored by it, where not yet scored.")
@click.option("--metrics", callback=not_empty, metavar="LIST", help="Such as fd,recall; all they share if not given.")
@reading
@confidence
@click.option("--paired", is_flag=True, help="Sample i of all was drawn with the same seed.")
@click.option("--allow-mixed", is_flag=True, help="Show results of unlike protocols, without a verdict.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def compare(subjects: tuple[str, ...], form: str, as_json: bool, **options: Any) -> None:
    """Tell better, worse and tied: differences with their errors, corrected for how many there are.

    Each of A B ... is a JSON-lines file of results, or samples to be scored first.

    \b
    genbench compare old.jsonl new.jsonl
    genbench compare runs/digits.jsonl --metrics fd,recall
    genbench compare old/ new/ --reference real/
    """
    from genbench.comparison import compare as compare_subjects
    from genbench.report.verdicts import comparison_csv, comparison_json, comparison_text

    with redirect_stdout(sys.stderr):  # what a guest prints is no data
        found = compare_subjects(*subjects, **score_options(options))
    if as_json or form == "json":
        say(json_text(comparison_json(found)))
    elif form == "csv":
        say(comparison_csv(found))
    else:
        say(comparison_text(found, plain=not prints("↓↑±")))


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
    from genbench.comparison.gating import gate as check_results
    from genbench.report.gates import gate_badge, gate_junit, gate_markdown, gate_text, outcome_of

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
