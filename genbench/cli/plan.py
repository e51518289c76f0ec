"""The verb ``plan``: how many seeds and samples show a difference."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.cli.options import ResultsFile, not_empty
from genbench.cli.printing import json_text, say


@click.command(name="plan", short_help="Say how many seeds and samples show a difference.")
@click.argument("pilot", required=False, type=ResultsFile(dir_okay=False, path_type=Path))
@click.option("--difference", default="10%", show_default=True, metavar="X|X%", callback=not_empty,
              help="The difference to be shown, in percent or in the unit of the score.")  # fmt: skip
@click.option(
    "--metric", "--metrics", callback=not_empty, metavar="NAME", help="Default: the one by which the benchmark sorts."
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="Samples of each seed; default: as in the pilot.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan_command(pilot: Path | None, difference: str, metric: str | None, count: int | None, as_json: bool) -> None:
    """Say how many training seeds and samples a side show a difference with 80 % power, and what that costs.

    PILOT is a file of results, such as a leaderboard: its spread over training seeds and its errors are used. Without
    it, published values for FID are used.

    \b
    genbench plan reports/digits.jsonl --difference 10%
    genbench plan --difference 2%
    """
    from genbench.comparison.study_plan import plan
    from genbench.tables.plan_report import plan_json, plan_text

    made = plan(pilot, difference=difference, metric=metric, count=count)
    say(json_text(plan_json(made)) if as_json else plan_text(made))
