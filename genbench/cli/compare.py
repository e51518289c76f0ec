"""The verb ``compare``: decide which subjects are better, worse or equivalent."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from genbench.cli.options import (
    confidence,
    known,
    known_benchmark,
    label_sampling,
    not_empty,
    reading,
    score_options,
    training,
)
from genbench.cli.printing import json_text, prints, say, show_warnings
from genbench.errors import UsageError


@click.command(name="compare", short_help="Decide which subjects are better, worse or equivalent.")
@click.argument(
    "subjects", nargs=-1, required=True, callback=known("sources", "samplers", results=True), metavar="A B ..."
)
@click.option(
    "--reference", callback=known("sources"), metavar="PATH|SPEC", help="Score samples against this reference."
)
@training
@click.option("--benchmark", callback=known_benchmark, metavar="NAME", help="Score samples by this benchmark.")
@click.option(
    "--metrics", "--metric", callback=not_empty, metavar="LIST", help="For example fd,recall; default: the main one."
)
@click.option("--all-metrics", is_flag=True, help="Compare in all scores in common, one of each family.")
@click.option("--baseline", callback=not_empty, metavar="NAME", help="Compare with this subject; default: the best.")
@click.option("--all-pairs", is_flag=True, help="Compare every pair, and show a matrix.")
@click.option(
    "--margin",
    callback=not_empty,
    metavar="X|X%",
    help="A difference that does not matter; default: that of the benchmark, or 10%, or .02 (shares).",
)
@label_sampling
@reading
@confidence
@click.option("--paired", is_flag=True, help="Sample i of all subjects was drawn with the same seed.")
@click.option("--allow-mixed", is_flag=True, help="Show results of different protocols, without verdicts.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True,
              help="CSV and JSON hold all numbers.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
def compare_command(subjects: tuple[str, ...], form: str, as_json: bool, **options: Any) -> None:
    """Decide which subjects are better, worse or equivalent; or say which data would decide.

    Each of A B ... is a JSON-lines file of results, or samples, which are scored first. All subjects are compared with
    the best of them, in the metric by which the benchmark sorts. The verdicts hold together.

    \b
    genbench compare old.jsonl new.jsonl
    genbench compare runs/digits.jsonl --baseline vae --metrics fd,recall
    genbench compare runs/digits.jsonl --all-pairs
    genbench compare old/ new/ --reference real/
    """
    from genbench.scoring.compare import compare as compare_subjects
    from genbench.tables.comparison_table import comparison_csv, comparison_json, comparison_text

    # stdout is reserved for the result: what a guest prints goes to stderr
    with redirect_stdout(sys.stderr):
        if options["metrics"] is not None and options["all_metrics"]:
            raise UsageError("--metrics and --all-metrics contradict each other; give one of them.")
        comparison = compare_subjects(*subjects, **score_options(options))
    # warnings go to stderr before the result, as those of score do
    show_warnings(comparison.warnings)
    # print in the requested format
    if as_json or form == "json":
        say(json_text(comparison_json(comparison)))
    elif form == "csv":
        say(comparison_csv(comparison))
    else:
        say(comparison_text(comparison, plain=not prints("↓↑±")))
