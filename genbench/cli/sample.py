"""The verb ``sample``: draw samples and write them to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genbench.cli.options import NamedPath, known
from genbench.cli.printing import guests, say
from genbench.errors import UsageError


@click.command(name="sample", short_help="Draw samples and write them to disk.")
@click.argument("sampler", callback=known("samplers", "sources"), metavar="SPEC")
@click.option("--count", type=click.IntRange(1), required=True, metavar="N", help="Number of samples.")
@click.option(
    "--out", type=NamedPath(path_type=Path), required=True, help="New folder of PNG files, .zip, .npz or .npy."
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", show_default=True, help="Seed of the samples.")
@click.option(
    "--weights", type=NamedPath(path_type=Path), metavar="PATH", help="best.safetensors written by `genbench run`."
)
@click.option("--labels", type=click.Choice(["equal", "random"]), default="equal", show_default=True,
              help="Classes requested of a sampler that takes them: in turn, or drawn at random.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no progress.")
def sample_command(sampler: str, count: int, out: Path, seed: int, weights: Path | None, **options: Any) -> None:
    """Draw samples and write them to disk.

    They are the samples that `genbench score --sampler` draws with the same count, seed and
    --labels.

    \b
    genbench sample my_models:Blobs,size=8 --count 1000 --out blobs.npz
    genbench sample vae --weights runs/digits/vae/seed-0/best.safetensors --count 100 --out digits/
    """
    from genbench.derived_sources import Drawn
    from genbench.plugs.contracts import Sampler
    from genbench.plugs.opening import open_sampler
    from genbench.plugs.requested_classes import RequestedClasses, class_count
    from genbench.plugs.weights import load_weights
    from genbench.write_samples import write_samples

    # a guest may change the working folder
    file = out.expanduser().absolute()
    with guests():
        opened = open_sampler(sampler)
        # only samplers have a count and a seed
        if not isinstance(opened, Sampler):
            raise UsageError(f"{sampler!r} is a set of samples, but a sampler is needed; see genbench list samplers.")
        # trained weights replace the initial ones
        if weights is not None:
            load_weights(opened, weights, sampler)
        # a sampler without classes ignores their rule
        classes = class_count(opened)
        requests = None if classes is None else RequestedClasses(options["labels"], classes, seed)
        drawn = Drawn(opened, count, seed, sampler, requests)
        write_samples(drawn, file, progress=False if options["quiet"] else None)
    say(f"{out}: {count:,} samples of {sampler}, seed {seed}")
