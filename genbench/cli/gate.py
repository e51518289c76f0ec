"""The verb ``gate``: pass a result that is surely within the allowance, and fail one that surely is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from genbench.cli.options import (
    NamedPath,
    ResultsFile,
    confidence,
    known,
    known_benchmark,
    known_metrics,
    label_sampling,
    largest_count,
    not_empty,
    reading,
    training,
)
from genbench.cli.printing import json_text, say
from genbench.errors import InputError, UsageError
from genbench.plugs.specs import split_specs
from genbench.tables.escapes import terminal_safe
from genbench.tables.line_width import wrapped

if TYPE_CHECKING:
    from genbench.comparison.gate_checks import Check

EXIT_CODES = {"passed": 0, "failed": 1, "undecided": 3}
"""Exit codes of outcomes; 2 is a mistyped name or option, and 4 a problem with the input."""


@click.command(name="gate", short_help="Pass or fail a result against its baseline.")
@click.argument("result", required=False, type=ResultsFile(path_type=Path))
@click.option("--against", required=True, callback=known("samplers", "sources", results=True), metavar="FILE|SPEC",
              help="Results of the baseline; with --until also samples or a sampler.")  # fmt: skip
@click.option("--metric", callback=not_empty, metavar="LIST", help="Default: the one by which the benchmark sorts.")
@click.option("--max-increase", metavar="X|X%", help="How much worse it may be, in the unit of the score or in percent "
              "of the baseline; default: the margin of the benchmark, or 10%, or .02 for shares.")  # fmt: skip
@click.option("--no-worse", is_flag=True, help="It must not be worse at all; only an improvement passes.")
@click.option("--paired", is_flag=True, help="Sample i of both was drawn with the same seed.")
@click.option("--undecided", type=click.Choice(["pass", "fail"]), help="Exit with 0 or 1, and not 3, if undecided.")
@confidence
@click.option("--junit", type=NamedPath(dir_okay=False, path_type=Path), help="Write JUnit XML.")
@click.option("--badge", type=NamedPath(dir_okay=False, path_type=Path),
              help="Write an SVG badge, or FILE.json for shields.io.")  # fmt: skip
@click.option("--summary", type=NamedPath(dir_okay=False, path_type=Path),
              help="Append a Markdown table to this file; default: $GITHUB_STEP_SUMMARY.")  # fmt: skip
@click.option(
    "--sampler",
    callback=known("samplers", "sources"),
    metavar="SPEC",
    help="Score this sampler instead of reading RESULT.",
)
@click.option(
    "--samples",
    callback=known("sources", "samplers"),
    metavar="PATH|SPEC",
    help="Score these samples instead of reading RESULT.",
)
@click.option("--until", type=click.Choice(["decided"]), help="Draw and score only as many samples as decide.")
@click.option("--max-count", callback=largest_count, metavar="N|none",
              help="Largest number of samples with --until; default: that of the benchmark or reference.")  # fmt: skip
@click.option("--benchmark", callback=known_benchmark, metavar="NAME", help="Default: that of the baseline.")
@click.option(
    "--reference", callback=known("sources"), metavar="PATH|SPEC", help="Real samples, if there is no benchmark."
)
@training
@click.option("--metrics", callback=known_metrics, metavar="LIST", help="Metrics to score, if there is no benchmark.")
@click.option("--name", help="Name of the subject; it also chooses the subject of the baseline.")
@click.option("--dry-run", is_flag=True, help="Print the expected cost of scoring (time, disk, memory) and stop.")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True,
              help="JSON holds all numbers; github annotates a pull request.")  # fmt: skip
@click.option("--to", type=NamedPath(dir_okay=False, path_type=Path), help="Append the new result to this file.")
@label_sampling
@reading
def gate_command(
    result: Path | None, against: str, metric: str | None, max_increase: str | None, form: str, **options: Any
) -> None:
    """Pass a result only if it is surely within the allowance; fail it only if it surely is not.

    Between the two it is undecided, and the output says how many samples or seeds would decide. Exit codes: 0 passed, 1
    failed, 3 undecided, 2 a mistyped name or option, 4 a problem with the input.

    With --until decided, a sampler is drawn in growing blocks, and the first look that allows it decides.

    \b
    genbench gate new.jsonl --against leaderboard.jsonl
    genbench gate new.jsonl --against old.jsonl --metric fd,recall --max-increase 2%
    genbench gate --sampler acme.models:Fractal --against old.jsonl --until decided
    """
    named = ("no_worse", "undecided", "paired", "confidence")
    no_worse, undecided, paired, confidence = (options.pop(name) for name in named)
    if no_worse and max_increase is not None:
        raise UsageError("--no-worse and --max-increase contradict each other; give one of them.")
    from genbench.tables.gate_report import gate_badge, gate_endpoint, gate_junit, gate_markdown, outcome_of

    files = {name: options.pop(name) for name in ("junit", "badge", "summary")}
    # compare, print one line per check, and then write the files, so that a full disk does not hide the verdict
    allowed = "0" if no_worse else max_increase
    rules = {"max_increase": allowed, "confidence": confidence, "paired": paired}
    checks = _checks(result, against, metric, rules, options)
    say(_in_form(checks, form))
    _append_summary(files["summary"], gate_markdown(checks))
    # the ending of the badge's name says what draws it
    badge = gate_endpoint if files["badge"] is not None and files["badge"].suffix == ".json" else gate_badge
    for name, content in {"junit": gate_junit, "badge": badge}.items():
        if files[name] is not None:
            write_output(files[name].expanduser(), content(checks), "w")
    # the pipeline may say what an undecided check means
    code = EXIT_CODES[outcome_of(checks)]
    if code == EXIT_CODES["undecided"] and undecided is not None:
        code = {"pass": 0, "fail": 1}[undecided]
    if code:
        raise click.exceptions.Exit(code)


def _in_form(checks: list[Check], form: str) -> str:
    """Return the checks in a form; text is broken at 80 columns, with further lines below the sentence of the check."""
    from genbench.tables.gate_report import gate_annotations, gate_json, gate_text

    if form == "json":
        return json_text(gate_json(checks))
    # a workflow command must stay on one line
    if form == "github":
        return gate_annotations(checks)
    return "\n".join(wrapped(line, indent=" " * 13) for line in gate_text(checks).split("\n"))


def _checks(
    result: Path | None, against: str, metric: str | None, rules: dict[str, Any], options: dict[str, Any]
) -> list[Check]:
    """Return the checks of a file of results, or of a subject that is scored now."""
    from genbench.comparison.gate import gate

    subject = options["sampler"] or options["samples"]
    if (result is not None) + (options["sampler"] is not None) + (options["samples"] is not None) != 1:
        raise UsageError("Say what to check: a file of results, or --sampler SPEC, or --samples PATH|SPEC.")
    names = split_specs(metric) if metric else None
    if subject is not None:
        from genbench.cli.gate_subject import checks_of_subject

        return checks_of_subject(subject, against, names, rules, options)
    _refuse_scoring_options(options)
    return gate(result, against, metrics=names, **rules)  # type: ignore[arg-type]  # result is not None here


def _refuse_scoring_options(options: dict[str, Any]) -> None:
    """Raise UsageError that names the options of scoring that were given, although a result is scored already."""
    context = click.get_current_context()
    unset = {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}
    # no progress is shown anyway, so that --quiet is no mistake
    given = [
        max(each.opts, key=len)
        for each in context.command.params
        if each.name in options and each.name != "quiet" and context.get_parameter_source(each.name) not in unset
    ]
    if given:
        raise UsageError(
            f"{', '.join(given)}: RESULT is scored already, so options of scoring need --sampler or --samples instead."
        )


def _append_summary(path: Path | None, table: str) -> None:
    """Append a table to the summary of a job. A summary that cannot be written is no reason to fail the job."""
    if path is None and os.environ.get("GITHUB_STEP_SUMMARY"):
        path = Path(os.environ["GITHUB_STEP_SUMMARY"])
    if path is not None:
        # the summary may hold tables of other gates
        try:
            write_output(path.expanduser(), table, "a")
        except InputError as error:
            click.echo(terminal_safe(f"The summary is missing: {error}"), err=True)


def write_output(path: Path, text: str, mode: str) -> None:
    """Write or append text to a file, with the mode of ``open``. Raises InputError if it cannot be written."""
    try:
        # create the folder, for example ci/
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another file.") from error
