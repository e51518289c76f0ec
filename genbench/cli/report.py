"""table and report: results that lie on disk, as a table or as pages."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.cli.group import refusal
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
    from genbench.report.formats import written
    from genbench.results import read_results

    results = [result for file in files for result in read_results(file)]
    if form == "text" and not prints("↓↑±–·"):
        form = "plain"
    say(written(results, form, sort=sort, allow_mixed=allow_mixed))


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
    from genbench.report.site import differing, write

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
