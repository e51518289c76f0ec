"""The verb ``table``: results as a leaderboard."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.cli.printing import prints, say


@click.command(short_help="Show results as a leaderboard.")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE...")
@click.option("--sort", metavar="METRIC", help="What orders and ranks; the recipe's first column if not given.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "csv", "latex", "json", "html"]),
    default="text",
    show_default=True,
    help="CSV and JSON hold every number, the others are to be read.",
)
@click.option("--allow-mixed", is_flag=True, help="Show results of other protocols, too: gray and without ranks.")
def table(files: tuple[Path, ...], sort: str | None, form: str, allow_mixed: bool) -> None:
    """Show results as a leaderboard: mean, spread over training seeds, error of sampling, ranks with ties.

    \b
    genbench table runs/digits.jsonl
    genbench table mine.jsonl theirs.jsonl --sort fd --format latex
    """
    from genbench.results import read_results
    from genbench.tables.formats import written

    results = [result for file in files for result in read_results(file)]
    if form == "text" and not prints("↓↑±–·"):
        form = "plain"
    say(written(results, form, sort=sort, allow_mixed=allow_mixed))
