"""The verb ``gate``: fail if a result is worse than its baseline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import confidence, not_empty
from genbench.cli.printing import say
from genbench.errors import InputError, UsageError
from genbench.tables.escapes import terminal_safe


@click.command(name="gate", short_help="Fail if a result is worse than its baseline.")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--against", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Results of the baseline."
)
@click.option("--metric", callback=not_empty, metavar="LIST", help="Default: the one by which the benchmark sorts.")
@click.option("--max-increase", metavar="X|X%", help="How much worse it may be: a number, or X% of the baseline.")
@click.option("--no-worse", is_flag=True, help="It must not be worse at all (the default).")
@confidence
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML.")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG badge.")
@click.option("--summary", type=click.Path(dir_okay=False, path_type=Path),
              help="Append a Markdown table to this file; default: $GITHUB_STEP_SUMMARY.")  # fmt: skip
def gate_command(
    result: Path, against: Path, metric: str | None, max_increase: str | None, confidence: float, **options: Any
) -> None:
    """Fail, with exit code 1, if a result is significantly worse than its baseline.

    A worse result that chance may explain is undecided: it does not fail, and the output says how many samples would
    decide.

    \b
    genbench gate new.jsonl --against leaderboard.jsonl
    genbench gate new.jsonl --against old.jsonl --metric fd,recall --max-increase 2%
    """
    if options.pop("no_worse") and max_increase is not None:
        raise UsageError("--no-worse and --max-increase contradict each other; give one of them.")
    from genbench.comparison.gate import gate
    from genbench.tables.gate_report import gate_badge, gate_junit, gate_markdown, gate_text, outcome_of

    # compare, print one line per check, and then write the files, so that a full disk does not hide the verdict
    names = [name.strip() for name in metric.split(",")] if metric else None
    checks = gate(result, against, metrics=names, max_increase=max_increase or 0.0, confidence=confidence)
    say(gate_text(checks))
    _append_summary(options["summary"], gate_markdown(checks))
    for name, content in {"junit": gate_junit, "badge": gate_badge}.items():
        if options[name] is not None:
            _write_output(options[name].expanduser(), content(checks), "w")
    # an undecided check does not fail the build
    if outcome_of(checks) == "failed":
        raise click.exceptions.Exit(1)


def _append_summary(path: Path | None, table: str) -> None:
    """Append a table to the summary of a job. A summary that cannot be written is no reason to fail the job."""
    if path is None and os.environ.get("GITHUB_STEP_SUMMARY"):
        path = Path(os.environ["GITHUB_STEP_SUMMARY"])
    if path is not None:
        # the summary may hold tables of other gates
        try:
            _write_output(path.expanduser(), table, "a")
        except InputError as error:
            click.echo(terminal_safe(f"The summary is missing: {error}"), err=True)


def _write_output(path: Path, text: str, mode: str) -> None:
    try:
        # create the folder, for example ci/
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another file.") from error
