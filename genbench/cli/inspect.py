"""The verb ``inspect``: check samples before they are scored."""

from __future__ import annotations

import click

from genbench.cli.options import not_empty
from genbench.cli.printing import guests, json_text, say
from genbench.tables.line_width import wrapped


@click.command(name="inspect", short_help="Check samples before they are scored.")
@click.argument("path", callback=not_empty, metavar="PATH|SPEC")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect_command(path: str, as_json: bool) -> None:
    """Check samples before they are scored: count them, and report what would distort a score.

    The exit code is 1 if a file cannot be decoded.
    """
    from genbench.checks.inspection import inspect_samples

    with guests():
        report = inspect_samples(path)
    # further lines below the text of the first one; a broken file stays on one line, which grep finds
    lines = report.to_text().split("\n")
    text = "\n".join(line if line.startswith("  corrupt") else wrapped(line, indent=" " * 12) for line in lines)
    say(json_text(report.to_json()) if as_json else text)
    # scripts see the exit code
    if report.corrupt:
        raise click.exceptions.Exit(1)
