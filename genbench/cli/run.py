"""run, train and sample: models are trained, drawn from and compared."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import logging
from genbench.cli.printing import prints, say, send
from genbench.plugs.specs import parse_specs


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
    from genbench.distributed import joined
    from genbench.runs.run import run as run_benchmark
    from genbench.tables.formats import written

    names: list[str] = []
    for text in samplers:
        names += [text] if text.startswith("command:") else [str(spec) for spec in parse_specs(text)]
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
