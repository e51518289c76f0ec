"""The verb ``run``: train samplers, score their samples and compare them."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import NamedPath, absolute, known_benchmark, logging
from genbench.cli.printing import prints, say, send, show_hints, terminal_width
from genbench.plugs.specs import COMMAND, REAL, parse_specs


@click.command(name="run", short_help="Train, sample, score and compare.")
@click.argument("benchmark", callback=known_benchmark)
@click.option("--samplers", metavar="LIST", multiple=True, help="Names or specs; default: those of the benchmark.")
@click.option(
    "--repeats", type=click.IntRange(1), default=3, show_default=True, metavar="N", help="Training seeds per sampler."
)
@click.option("--budget", default="full", show_default=True, help="Length of the training: quick or full.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="First training seed.")
@click.option("--out", type=NamedPath(file_okay=False, path_type=Path), default="runs", show_default=True,
              callback=absolute, help="Folder of checkpoints, figures and results.")  # fmt: skip
@click.option(
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Trials at the same time; default: one per CPU core, or one on a GPU.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@logging
def run_command(
    benchmark: str, samplers: tuple[str, ...], jobs: int | None, quiet: bool, log_to: str | None, **options: Any
) -> None:
    """Train samplers, score their samples and compare them.

    After an interruption, the same command continues where it stopped.

    \b
    genbench run digits --budget quick
    genbench run digits --samplers real,gan,r3gan,my_models:Blobs --repeats 5
    """
    from genbench.distributed import joined
    from genbench.plugs.known_names import require_known

    # a command may contain commas; other values are lists of specs
    names: list[str] = []
    for text in samplers:
        names += [text] if COMMAND.fullmatch(text) else [str(spec) for spec in parse_specs(text)]
    for name in names:
        if name != REAL:
            require_known(name, ("samplers", "sources"))
    folder = Path.cwd()
    # these imports take seconds
    from genbench.runs.run import kept_in, run
    from genbench.runs.workers import signals_interrupt
    from genbench.tables.leaderboard_formats import written

    # stdout is reserved for the table: what a guest prints goes to stderr
    with redirect_stdout(sys.stderr), signals_interrupt(), joined() as ranks:
        # under torchrun, the ranks share the trials, and rank 0 then collects the results
        if ranks is not None:
            run(benchmark, names, progress=False, ranks=ranks, **options)
            ranks.exchange("trials", "finished")
            if ranks.rank > 0:
                return
        options["jobs"] = jobs or _default_jobs()
        results = run(benchmark, names, progress=False if quiet else None, **options)
    # print the table, and send the results to a tracker
    say(written(results, "text" if prints("↓↑±–") else "plain", width=terminal_width()))
    # where everything lies, and what to do with it
    if results and not quiet:
        out, path = (
            path.relative_to(folder) if path.is_relative_to(folder) else path
            for path in (options["out"], kept_in(options["out"], results[0].benchmark or ""))
        )
        show_hints([
            f"The results are in {path}; samples, curves and weights are beside it.",
            f"Next: `genbench report {out}` makes a page, `genbench table {path} --all` has all columns.",
        ])  # fmt: skip
    send(results, log_to)


def _default_jobs() -> int:
    """Return one trial per CPU core, or one trial if there is a GPU."""
    import torch

    return 1 if torch.cuda.is_available() else os.cpu_count() or 1
