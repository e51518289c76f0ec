"""The verb ``table``: show results as a leaderboard."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.cli.options import ResultsFile
from genbench.cli.printing import json_text, prints, say, terminal_width


@click.command(name="table", short_help="Show results as a leaderboard.")
@click.argument("files", nargs=-1, required=True, type=ResultsFile(dir_okay=False, path_type=Path), metavar="FILE...")
@click.option("--sort", metavar="METRIC", help="Metric that sorts and ranks; default: the first column.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "csv", "latex", "json", "html"]),
    default="text",
    show_default=True,
    help="CSV and JSON hold all numbers; the others are for people.",
)
@click.option("--allow-mixed", is_flag=True, help="Also show results of other protocols, in gray and without ranks.")
@click.option("--all", "show_all", is_flag=True, help="Show all columns, and not only those that fit the terminal.")
def table_command(files: tuple[Path, ...], sort: str | None, form: str, allow_mixed: bool, show_all: bool) -> None:
    """Show results as a leaderboard.

    Each cell has the mean, the spread over training seeds and the sampling error. Ties share ranks.

    \b
    genbench table runs/digits.jsonl
    genbench table mine.jsonl theirs.jsonl --sort fd --format latex
    """
    from genbench.results import read_results
    from genbench.tables.leaderboard_formats import written

    # all files together are one table
    results = [result for file in files for result in read_results(file)]
    # a terminal without arrows gets ASCII
    if form == "text" and not prints("↓↑±–·†"):
        form = "plain"
    width = None if show_all else terminal_width()
    text = written(results, form, sort=sort, allow_mixed=allow_mixed, width=width)
    say(json_text(text) if form == "json" else text)
