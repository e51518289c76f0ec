"""run, train and sample: models are trained, drawn from and compared."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import logging, not_empty
from genbench.cli.printing import prints, say, send
from genbench.errors import UsageError


@click.command(short_help="Train, sample, score and compare.")
@click.argument("benchmark")
@click.option("--samplers", metavar="LIST", multiple=True, help="Names or specs; the recipe's if not given.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, metavar="N", help="Training seeds.")
@click.option("--budget", default="full", show_default=True, help="quick or full: how long is trained.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="The first seed.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs", show_default=True,
              help="Where checkpoints, figures and results go.")  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Trials at once; one a core if not given, one on a GPU."
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
@logging
def run(
    benchmark: str, samplers: tuple[str, ...], jobs: int | None, quiet: bool, log_to: str | None, **options: Any
) -> None:
    """Train, sample, score and compare: the same command goes on where it was cut off.

    \b
    genbench run digits --budget quick
    genbench run ring8 --samplers real,gan,r3gan,my_models:Blobs --repeats 5
    """
    from genbench import registry
    from genbench.processes import joined
    from genbench.report.formats import written
    from genbench.running import run as run_benchmark

    names: list[str] = []
    for text in samplers:
        names += [text] if text.startswith("command:") else [str(spec) for spec in registry.parse_list(text)]
    with redirect_stdout(sys.stderr), joined() as ranks:  # what a guest prints is no data
        if ranks is not None:
            run_benchmark(benchmark, names, progress=False, ranks=ranks, **options)
            ranks.exchange("trials", "finished")
            if ranks.rank > 0:
                return
        options["jobs"] = jobs or _cores()
        results = run_benchmark(benchmark, names, progress=False if quiet else None, **options)
    say(written(results, "text" if prints("↓↑±–") else "plain"))
    send(results, log_to)


def _cores() -> int:
    """How many trials go on at once: one a core, but one where a GPU does the work."""
    import torch

    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


@click.command(short_help="Train one sampler.")
@click.argument("sampler", callback=not_empty, metavar="SPEC")
@click.option("--benchmark", callback=not_empty, required=True, metavar="NAME", help="Whose training split is used.")
@click.option("--budget", default="full", show_default=True, help="quick or full: how long is trained.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of the training.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs", show_default=True,
              help="Where checkpoints and curves go.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar.")
def train(sampler: str, benchmark: str, quiet: bool, **options: Any) -> None:
    """Train one sampler with one seed, as `run` does: the same command goes on where it was cut off.

    \b
    genbench train vae --benchmark digits
    genbench score --sampler vae,weights=runs/digits/vae/seed-0/best.safetensors --benchmark digits
    """
    from genbench.running import train as train_sampler

    with redirect_stdout(sys.stderr):  # what a guest prints is no data
        found = train_sampler(sampler, benchmark, progress=False if quiet else None, **options)
    record = found.record
    say(
        f"{found.weights}: step {record['chosen_step']:,} of {record['steps']:,}, chosen by {record['chosen_by']}, "
        f"after {record['seconds']:.0f} s"
    )


@click.command(short_help="Draw samples and write them to disk.")
@click.argument("sampler", callback=not_empty, metavar="SPEC")
@click.option("--count", type=click.IntRange(1), required=True, metavar="N", help="How many samples.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder (PNG), .zip, .npz or .npy.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", show_default=True, help="Seed of the samples.")
@click.option("--weights", type=click.Path(path_type=Path), metavar="PATH", help="best.safetensors of `genbench run`.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def sample(sampler: str, count: int, out: Path, seed: int, weights: Path | None, quiet: bool) -> None:
    """Draw samples and write them to disk, as `score --sampler` with that count and seed sees them.

    \b
    genbench sample my_models:Blobs,size=8 --count 1000 --out blobs.npz
    genbench sample vae --weights runs/digits/vae/seed-0/best.safetensors --count 100 --out digits/
    """
    from genbench.drawing import Drawn
    from genbench.opening import load_weights, open_subject
    from genbench.protocols import Sampler
    from genbench.writing import write_samples

    with redirect_stdout(sys.stderr):  # what a guest prints is no data
        opened = open_subject(sampler, ("samplers", "sources"))
        if not isinstance(opened, Sampler):
            raise UsageError(f"{sampler!r} is a set of samples already; `sample` takes a sampler.")
        if weights is not None:
            load_weights(opened, weights, sampler)
        write_samples(Drawn(opened, count, seed, sampler), out, progress=False if quiet else None)
    say(f"{out}: {count:,} samples of {sampler}, seed {seed}")
