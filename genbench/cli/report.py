"""table and report: results that lie on disk, as a table or as pages."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.cli.printing import say
from genbench.cli.verbs import refusal


@click.command(short_help="Write results as pages.")
@click.argument("folder", default="reports", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
@click.option(
    "--check", is_flag=True, help="Write nothing; exit code 1 where a file differs from what would be written."
)
def report(folder: Path, check: bool) -> None:
    """Write DIR/NAME.md for each DIR/NAME.jsonl, and all of them as one page, DIR/index.html.

    \b
    genbench run digits --out reports
    genbench report reports
    genbench report reports --check        for CI
    """
    from genbench.page.site import differing, write

    if check:
        stale = differing(folder)
        if stale:
            raise refusal(
                f"{', '.join(str(path) for path in stale)} {'is' if len(stale) == 1 else 'are'} not what the results "
                f"say; write {'it' if len(stale) == 1 else 'them'} anew with `genbench report {folder}`.",
                1,
            )
        say(f"{folder}: every page is what its results say")
        return
    for path in write(folder):
        say(str(path))
