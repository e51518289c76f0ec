"""score and stats: samples in, numbers out."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import logging, not_empty, reading, score_options, writable
from genbench.cli.printing import say, send, show
from genbench.errors import UsageError


@click.command()
@click.option(
    "--samples",
    callback=not_empty,
    metavar="PATH|SPEC",
    help="Folder, zip, npz or npy of samples, or a data set's name.",
)
@click.option(
    "--sampler",
    callback=not_empty,
    metavar="SPEC",
    help="module:attribute[,key=value...], a TorchScript file, or a plug.",
)
@click.option(
    "--reference",
    callback=not_empty,
    metavar="PATH|SPEC",
    help="Real samples, or statistics (mu/sigma npz, features).",
)
@click.option(
    "--benchmark",
    callback=not_empty,
    metavar="NAME",
    help="A frozen recipe: reference, extractor, metrics and count; see genbench list.",
)
@click.option(
    "--metrics",
    callback=not_empty,
    metavar="LIST",
    help="Such as fid,is,splits=1,fd@pixels; all that apply if not given.",
)
@click.option(
    "--protocols",
    callback=not_empty,
    metavar="LIST",
    help="tf,torch,clean: FID as torch-fidelity, pytorch-fid and clean-fid tell it, from one pass.",
)
@reading
@click.option("--name", help="What the table calls the subject.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost (samples, time, disk, memory), and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every field of the result.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Add the result to a JSON-lines file.")
@logging
def score(
    samples: str | None,
    sampler: str | None,
    dry_run: bool,
    as_json: bool,
    to: Path | None,
    log_to: str | None,
    **options: Any,
) -> None:
    """Score samples or a sampler.

    \b
    genbench score --samples out/ --reference real/
    genbench score --samples out.npz --reference imagenet256.npz --metrics fid,is
    genbench score --sampler acme.models:Fractal,depth=5 --benchmark digits
    """
    if (samples is None) == (sampler is None):
        raise UsageError("Say what to score: either --samples PATH|SPEC or --sampler SPEC.")
    from genbench.distributed import joined
    from genbench.plugs.opening import open_subject
    from genbench.scoring.score import score as score_subject
    from genbench.scoring.score import share

    text = samples if samples is not None else str(sampler)
    kinds = ("sources", "samplers") if samples is not None else ("samplers", "sources")
    options["name"] = (options["name"] or text).encode(errors="replace").decode()  # a path's bytes need not be text
    if dry_run:
        from genbench.scoring.cost import estimate

        with redirect_stdout(sys.stderr):
            cost = estimate(open_subject(text, kinds), **score_options(options))
        say(cost.to_text())
        return
    if to is not None:
        to = writable(to)
    with redirect_stdout(sys.stderr), joined() as ranks:  # what a guest prints is no data
        asked = score_options(options) | {"ranks": ranks}
        if ranks is not None and ranks.rank > 0:
            share(open_subject(text, kinds), **asked | {"progress": False})
            return
        result = score_subject(open_subject(text, kinds), **asked)
    if to is not None:
        result.append(to)
    show(result, as_json)
    send([result], log_to)
