"""The verb ``report``: write files of results as pages."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.cli.command_group import refusal
from genbench.cli.options import NamedPath
from genbench.cli.printing import say


@click.command(name="report", short_help="Write results as pages.")
@click.argument("folder", default="reports", type=NamedPath(path_type=Path), metavar="[DIR]")
@click.option("--check", is_flag=True, help="Write nothing; exit with code 1 if a page does not match its results.")
@click.option("--trend", is_flag=True, help="Show how the main metric of each sampler changed over commits or days.")
def report_command(folder: Path, check: bool, trend: bool) -> None:
    """Write DIR/NAME.md for each DIR/NAME.jsonl, and DIR/index.html with all results.

    \b
    genbench run digits --out reports
    genbench report reports
    genbench report reports --check        check the pages in CI
    genbench report reports --trend        with a chart over time
    """
    from genbench.page.site import differing, write

    # a page needs a place, so results are given by their folder
    if folder.is_file():
        raise refusal(f"{folder} is a file; give the folder that holds it, and its pages are written there.", 2)
    if check:
        # CI fails if somebody changed results without writing the pages
        stale = differing(folder, over_time=trend)
        if stale:
            verb, pronoun = ("does", "it") if len(stale) == 1 else ("do", "them")
            raise refusal(
                f"{', '.join(map(str, stale))} {verb} not match the results; write {pronoun} again with "
                f"`genbench report {folder}{' --trend' if trend else ''}`.",
                1,
            )
        say(f"{folder}: every page matches its results")
        return
    # print the path of each page
    for path in write(folder, over_time=trend):
        say(str(path))
