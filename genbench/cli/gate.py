"""The verb ``gate``: pass on evidence that a result is not worse than its baseline, fail on evidence that it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import confidence, not_empty
from genbench.cli.printing import say
from genbench.errors import InputError, UsageError
from genbench.tables.escapes import terminal_safe

EXIT_CODES = {"passed": 0, "failed": 1, "undecided": 3}
"""Exit codes of outcomes; 2 is a mistyped name or option, and 4 a problem with the input."""


@click.command(name="gate", short_help="Pass or fail a result against its baseline.")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--against", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Results of the baseline."
)
@click.option("--metric", callback=not_empty, metavar="LIST", help="Default: the one by which the benchmark sorts.")
@click.option("--max-increase", metavar="X|X%", help="How much worse it may be, in the unit of the score or in percent "
              "of the baseline; default: the margin of the benchmark, or 10%, or .02 for shares.")  # fmt: skip
@click.option("--no-worse", is_flag=True, help="It must not be worse at all; only an improvement passes.")
@click.option("--paired", is_flag=True, help="Sample i of both was drawn with the same seed.")
@click.option("--undecided", type=click.Choice(["pass", "fail"]), help="Exit with 0 or 1, and not 3, if undecided.")
@confidence
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML.")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG badge.")
@click.option("--summary", type=click.Path(dir_okay=False, path_type=Path),
              help="Append a Markdown table to this file; default: $GITHUB_STEP_SUMMARY.")  # fmt: skip
def gate_command(
    result: Path, against: Path, metric: str | None, max_increase: str | None, confidence: float, **options: Any
) -> None:
    """Pass a result only if it is not worse than allowed beyond doubt, and fail it only if it is.

    Between the two it is undecided, and the output says how many samples or seeds would decide. Exit codes: 0 passed, 1
    failed, 3 undecided, 2 a mistyped name or option, 4 a problem with the input.

    \b
    genbench gate new.jsonl --against leaderboard.jsonl
    genbench gate new.jsonl --against old.jsonl --metric fd,recall --max-increase 2%
    """
    no_worse, paired, undecided = (options.pop(name) for name in ("no_worse", "paired", "undecided"))
    if no_worse and max_increase is not None:
        raise UsageError("--no-worse and --max-increase contradict each other; give one of them.")
    from genbench.comparison.gate import gate
    from genbench.tables.gate_report import gate_badge, gate_junit, gate_markdown, gate_text, outcome_of

    # compare, print one line per check, and then write the files, so that a full disk does not hide the verdict
    allowed = "0" if no_worse else max_increase
    names = [name.strip() for name in metric.split(",")] if metric else None
    checks = gate(result, against, metrics=names, max_increase=allowed, confidence=confidence, paired=paired)
    say(gate_text(checks))
    _append_summary(options["summary"], gate_markdown(checks))
    for name, content in {"junit": gate_junit, "badge": gate_badge}.items():
        if options[name] is not None:
            _write_output(options[name].expanduser(), content(checks), "w")
    # the pipeline may say what an undecided check means
    code = EXIT_CODES[outcome_of(checks)]
    if code == EXIT_CODES["undecided"] and undecided is not None:
        code = {"pass": 0, "fail": 1}[undecided]
    if code:
        raise click.exceptions.Exit(code)


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
