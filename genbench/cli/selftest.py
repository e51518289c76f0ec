"""The verb ``selftest``: check the metrics against known values."""

from __future__ import annotations

import click

from genbench.cli.printing import json_text, say


@click.command(name="selftest", short_help="Check the metrics against known values.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def selftest_command(as_json: bool) -> None:
    """Check the metrics against values known in closed form, offline and in seconds."""
    from genbench.checks.selftest import run_selftest

    report = run_selftest()
    say(json_text(report.to_json()) if as_json else report.to_text())
    # a failed check fails the build
    if not report.passed:
        raise click.exceptions.Exit(1)
