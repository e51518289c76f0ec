"""The verb ``selftest``: check the instrument against known answers."""

from __future__ import annotations

import click

from genbench.cli.printing import say


@click.command(short_help="Check against answers known in closed form.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def selftest(as_json: bool) -> None:
    """Check the instrument against answers known in closed form (offline, seconds)."""
    from genbench.checks.selftest import run_selftest

    report = run_selftest()
    say(report.to_json() if as_json else report.to_text())
    if not report.passed:
        raise click.exceptions.Exit(1)
