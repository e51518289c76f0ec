"""The verb ``train``: train one sampler."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import not_empty
from genbench.cli.printing import say


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
    from genbench.runs.run import train as train_sampler

    with redirect_stdout(sys.stderr):  # what a guest prints is no data
        found = train_sampler(sampler, benchmark, progress=False if quiet else None, **options)
    record = found.record
    assert record is not None
    say(
        f"{found.weights}: step {record.chosen_step:,} of {record.steps or 0:,}, chosen by {record.chosen_by}, "
        f"after {record.seconds:.0f} s"
    )
