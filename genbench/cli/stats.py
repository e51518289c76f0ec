"""The verb ``stats``: write the statistics of real samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genbench.cli.options import NamedPath, not_empty, reading, score_options, writable
from genbench.cli.printing import guests, say
from genbench.errors import UsageError


@click.command(name="stats")
@click.argument("samples", callback=not_empty, metavar="PATH|SPEC")
@click.option(
    "--out",
    type=NamedPath(dir_okay=False, path_type=Path),
    required=True,
    help="A .npz of mu and sigma, as pytorch-fid writes it, or a .safetensors of all features.",
)
@reading
def stats_command(samples: str, out: Path, **options: Any) -> None:
    """Write the statistics of real samples, to be used as --reference.

    \b
    genbench stats real/ --out real.npz               mean and covariance: enough for FID
    genbench stats real/ --out real.safetensors       every row: KID, precision and recall too
    """
    from genbench.distributed import joined
    from genbench.features.statistics_files import write_statistics
    from genbench.scoring.score import features_of
    from genbench.tables.numbers import counted

    if out.suffix not in (".npz", ".safetensors"):
        raise UsageError(f"{out} should end in .npz (mean and covariance) or .safetensors (all features).")
    out = writable(out)
    with guests(), joined() as ranks:
        features = features_of(samples, **score_options(options), ranks=ranks)
    if ranks is not None and ranks.rank > 0:
        return
    if out.suffix == ".npz":
        write_statistics(features.moments(), out)
    else:
        features.save(out)
    say(f"{out}: {counted(len(features))} of {features.name}, features: {features.extractor}")
