"""The verb ``score``: samples or a sampler in, scores out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.cli.options import (
    NamedPath,
    known,
    known_benchmark,
    known_floor,
    known_metrics,
    known_panel,
    label_sampling,
    logging,
    not_empty,
    reading,
    score_options,
    training,
    writable,
)
from genbench.cli.printing import guests, json_text, say, send, show, show_hints, show_warnings
from genbench.errors import UsageError

if TYPE_CHECKING:
    from genbench.results import Result
    from genbench.scoring.plan import Plan


def renamed_protocols(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    """Pass the value of the older option ``--protocols`` on to ``--resizes``, with a notice."""
    if value is not None:
        click.echo("--protocols is now called --resizes; the old name will be removed in the next version.", err=True)
        ctx.params.setdefault("resizes", value)


@click.command(name="score", short_help="Score samples or a sampler.")
@click.argument("out", required=False, callback=known("sources", "samplers"), metavar="[OUT]")
@click.argument("real", required=False, callback=known("sources"), metavar="[REAL]")
@click.option(
    "--samples",
    callback=known("sources", "samplers"),
    metavar="PATH|SPEC",
    help="Folder, archive, array or other file of samples, or a data set.",
)
@click.option(
    "--sampler",
    callback=known("samplers", "sources"),
    metavar="SPEC",
    help="module:attribute[,key=value...], a TorchScript file, or an installed sampler.",
)
@click.option(
    "--reference",
    callback=known("sources"),
    metavar="PATH|SPEC",
    help="Real samples, their statistics or features, or stats:NAME.",
)
@training
@click.option(
    "--benchmark",
    callback=known_benchmark,
    metavar="NAME",
    help="A fixed recipe of reference, extractor, metrics and count; see genbench list.",
)
@click.option(
    "--metrics",
    "--metric",
    callback=known_metrics,
    metavar="LIST",
    help="For example fid,is,splits=1,fd@pixels, or adm for ADM's five; default: all that apply.",
)
@click.option(
    "--resizes",
    callback=not_empty,
    metavar="LIST",
    help="tf,torch,clean,torchmetrics: FID under the resize of torch-fidelity and these tools, from one pass.",
)
@click.option(
    "--panel",
    callback=known_panel,
    metavar="NAME|LIST",
    help="fdr6, offline or a list of extractors: distances in units of real data, and their mean.",
)
@click.option(
    "--floor",
    callback=known_floor,
    metavar="PATH|SPEC",
    help="Held-out real samples, the unit of a panel, or published; default: half of the reference.",
)
@click.option(
    "--panel-metric", callback=not_empty, metavar="NAME", help="Distance of a panel: fd, mind or kid; default: fd."
)
@click.option("--protocols", hidden=True, expose_value=False, callback=renamed_protocols)
@label_sampling
@reading
@click.option("--name", help="Name of the subject in tables.")
@click.option(
    "--pairs",
    type=NamedPath(dir_okay=False, path_type=Path),
    help="Draw the pairs that memorised finds, each sample beside its training image, as a PNG.",
)
@click.option("--dry-run", is_flag=True, help="Print the expected cost (samples, time, disk, memory) and stop.")
@click.option("--all", "show_all", is_flag=True, help="Print all scores, and not the first one alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every field of the result.")
@click.option("--to", type=NamedPath(dir_okay=False, path_type=Path), help="Append the result to a JSON-lines file.")
@logging
def score_command(out: str | None, real: str | None, as_json: bool, to: Path | None, **options: Any) -> None:
    """Score samples or a sampler: OUT against REAL, the same as --samples OUT --reference REAL.

    The answer is the first score, that of real samples, and the verdict. All scores that were asked for by --metrics,
    --resizes or --panel are printed, and all others by --all.

    \b
    genbench score out/ real/
    genbench score out.npz imagenet256.npz --metrics fid,is
    genbench score --sampler acme.models:Fractal,depth=5 --benchmark digits
    """
    _place(options, out, real)
    from genbench.distributed import joined
    from genbench.scoring.options import Options
    from genbench.scoring.plan import Plan
    from genbench.scoring.statistics_pair import refuse_given, score_statistics, statistics_of

    named = ("samples", "sampler", "dry_run", "log_to", "benchmark", "pairs", "show_all")
    samples, sampler, dry_run, log_to, benchmark, pairs, show_all = (options.pop(name) for name in named)
    # the bytes of a path need not be valid text
    subject_text = str(samples or sampler).encode(errors="replace").decode()
    options["name"] = (options["name"] or subject_text).encode(errors="replace").decode()
    if not dry_run:
        to, pairs = (None if path is None else writable(path) for path in (to, pairs))

    with guests(), joined() as ranks:
        follows = ranks is not None and ranks.rank > 0
        given = Options.of({**score_options(options), "ranks": ranks, **({"progress": False} if follows else {})})
        # statistics of both sides need no plan
        plan, statistics = None, statistics_of(samples)
        if statistics is None:
            plan = Plan.make(_opened_subject(samples, sampler), benchmark, given)
        cost = plan.cost() if plan and dry_run else None
        if statistics is not None:
            refuse_given({"dry_run": dry_run, "pairs": pairs})
            result = replace(score_statistics(statistics, benchmark, given), spec=subject_text)
        elif plan and follows:
            plan.share()
        elif plan and cost is None:
            result = replace(plan.score(), spec=subject_text)
    if plan and cost:
        say(cost.to_text())
        show_hints(plan.sides.hints)
    elif not follows:
        # the result is shown first, and a closed pipe does not keep it from the file
        try:
            _show(result, plan, as_json=as_json, show_all=show_all, kept=to is not None)
        finally:
            _write(result, plan, to, pairs)
        send([result], log_to)


def _opened_subject(samples: str | None, sampler: str | None) -> object:
    """Return what is scored; a text that names both a source and a sampler means the one whose option was used."""
    from genbench.plugs.opening import open_sampler
    from genbench.scoring.generated_side import open_generated

    with guests():
        return open_sampler(sampler) if samples is None else open_generated(samples)


def _write(result: Result, plan: Plan | None, to: Path | None, pairs: Path | None) -> None:
    """Write the files that were asked for."""
    # the result first: the picture needs the samples once more
    if to is not None:
        result.append(to)
    if pairs is not None and plan is not None:
        from genbench.runs.pair_sheet import write_pair_sheet

        write_pair_sheet(result, plan.sides, pairs)


def _place(options: dict[str, Any], out: str | None, real: str | None) -> None:
    """Put the two paths to the options whose short form they are. Raises UsageError if what to score is unclear."""
    for path, name, word in ((out, "samples", "OUT"), (real, "reference", "REAL")):
        if path is not None and options[name] is not None:
            raise UsageError(f"{word} and --{name} mean the same, but {path!r} and {options[name]!r} are given.")
        options[name] = options[name] if path is None else path
    # what to score is clear if exactly one is left
    if options["samples"] is not None and options["sampler"] is not None and options["reference"] is None:
        # with --sampler, a single path is the reference
        options["reference"], options["samples"] = out, None if out is not None else options["samples"]
    if (options["samples"] is None) == (options["sampler"] is None):
        raise UsageError("Say what to score: `genbench score OUT REAL`, --samples PATH|SPEC, or --sampler SPEC.")


def _show(result: Result, plan: Plan | None, *, as_json: bool, show_all: bool, kept: bool) -> None:
    """Print a result as JSON, or the answer that it gives."""
    # JSON has everything
    if as_json:
        show_warnings(result.warnings)
        say(json_text(result.to_json()))
        show_hints(result.hints)
        return
    # statistics have no halves
    if plan is None:
        show(result, None, full=True, kept=kept)
        return
    from genbench.scoring.real_halves import real_against_real

    # what was asked for is shown in full
    options = plan.sides.options
    asked = plan.benchmark is None and options.metrics is not None
    full = show_all or asked or options.panel is not None or options.resizes is not None
    with guests():
        beside = real_against_real(plan)
    show(result, beside, full=full, kept=kept)
