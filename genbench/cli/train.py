"""The verb ``train``: train one sampler."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import NamedPath, known, known_benchmark
from genbench.cli.printing import say


@click.command(name="train", short_help="Train one sampler.")
@click.argument("sampler", callback=known("samplers", "sources"), metavar="SPEC")
@click.option(
    "--benchmark", callback=known_benchmark, required=True, metavar="NAME", help="Benchmark with the training data."
)
@click.option("--budget", default="full", show_default=True, help="Length of the training: quick or full.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Training seed.")
@click.option("--out", type=NamedPath(file_okay=False, path_type=Path), default="runs", show_default=True,
              help="Folder of checkpoints and training curves.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no progress.")
def train_command(sampler: str, benchmark: str, quiet: bool, out: Path, **options: Any) -> None:
    """Train one sampler with one seed, as `run` does.

    After an interruption, the same command continues where it stopped.

    \b
    genbench train vae --benchmark digits
    genbench score --sampler vae,weights=runs/digits/vae/seed-0/best.safetensors --benchmark digits
    """
    from genbench.runs.run import train
    from genbench.runs.workers import signals_interrupt

    # a guest may change the working folder
    folder = out.expanduser().absolute()
    # stdout is reserved for the message: what a guest prints goes to stderr
    with redirect_stdout(sys.stderr), signals_interrupt():
        trained = train(sampler, benchmark, progress=False if quiet else None, out=folder, **options)
    weights = out / trained.weights.relative_to(folder)
    # name the weights, the selected checkpoint and the time
    record = trained.record
    assert record is not None
    say(
        f"{weights}: step {record.chosen_step:,} of {record.steps or 0:,}, chosen by {record.chosen_by}, "
        f"after {record.seconds:.0f} s"
    )
