"""compare and gate: what is better, what is tied, and what has got worse."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from genbench.cli.options import confidence, not_empty, reading, score_options
from genbench.cli.printing import json_text, prints, say


@click.command(short_help="Tell better, worse and tied.")
@click.argument("subjects", nargs=-1, required=True, metavar="A B ...")
@click.option("--reference", callback=not_empty, metavar="PATH|SPEC", help="Scored against it, where not yet scored.")
@click.option("--benchmark", callback=not_empty, metavar="NAME", help="Scored by it, where not yet scored.")
@click.option("--metrics", callback=not_empty, metavar="LIST", help="Such as fd,recall; all they share if not given.")
@reading
@confidence
@click.option("--paired", is_flag=True, help="Sample i of all was drawn with the same seed.")
@click.option("--allow-mixed", is_flag=True, help="Show results of unlike protocols, without a verdict.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def compare(subjects: tuple[str, ...], form: str, as_json: bool, **options: Any) -> None:
    """Tell better, worse and tied: differences with their errors, corrected for how many there are.

    Each of A B ... is a JSON-lines file of results, or samples to be scored first.

    \b
    genbench compare old.jsonl new.jsonl
    genbench compare runs/digits.jsonl --metrics fd,recall
    genbench compare old/ new/ --reference real/
    """
    from genbench.scoring.compare import compare as compare_subjects
    from genbench.tables.comparison_table import comparison_csv, comparison_json, comparison_text

    with redirect_stdout(sys.stderr):  # what a guest prints is no data
        found = compare_subjects(*subjects, **score_options(options))
    if as_json or form == "json":
        say(json_text(comparison_json(found)))
    elif form == "csv":
        say(comparison_csv(found))
    else:
        say(comparison_text(found, plain=not prints("↓↑±")))
