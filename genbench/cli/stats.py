"""The verb ``stats``: write the statistics of real samples, and list, add and download statistics by name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from genbench.cli.command_group import refusal
from genbench.cli.options import NamedPath, known, reading, score_options, writable
from genbench.cli.printing import guests, say, show_hints, size_text
from genbench.errors import UsageError, did_you_mean


class MakesByDefault(click.Group):
    """A group whose first word may also be what ``make`` takes: ``stats real/`` means ``stats make real/``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert ``make`` before anything but a verb and a request for help."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            # a mistyped verb is neither samples nor has an --out
            close = did_you_mean(args[0], self.commands)
            if close.startswith(",") and len(args) < 3 and not os.path.exists(args[0]):
                raise refusal(f"no command of stats is called {args[0]!r}{close}", 2)
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(
    name="stats",
    short_help="Write statistics of samples, or get published ones.",
    cls=MakesByDefault,
    subcommand_metavar="[PATH|SPEC|COMMAND] [ARGS]...",
)
def stats_group() -> None:
    """Write the statistics of real samples, and list, add and download statistics by name.

    \b
    genbench stats real/ --out real.npz               the same as genbench stats make
    genbench stats list                               names for --reference stats:NAME
    """


@stats_group.command(name="make")
@click.argument("samples", callback=known("sources"), metavar="PATH|SPEC")
@click.option(
    "--out",
    type=NamedPath(dir_okay=False, path_type=Path),
    required=True,
    help="A .npz of mu and sigma, as pytorch-fid writes it, or a .safetensors of all features.",
)
@click.option(
    "--spatial", is_flag=True, help="Also the statistics of sFID, mu_s and sigma_s, as ADM's files have them."
)
@reading
def stats_make(samples: str, out: Path, spatial: bool, **options: Any) -> None:
    """Write the statistics of real samples, to be used as --reference.

    \b
    genbench stats real/ --out real.npz               mean and covariance: enough for FID
    genbench stats real/ --out real.safetensors       every row: KID, precision and recall too
    """
    from genbench.distributed import joined
    from genbench.features.statistics_files import write_statistics
    from genbench.scoring.options import Options
    from genbench.scoring.score import features_and_hints
    from genbench.scoring.slice_scores import require_one_plane
    from genbench.tables.numbers import counted

    # mistakes are told before the long work
    if out.suffix not in (".npz", ".safetensors"):
        raise UsageError(f"{out} should end in .npz (mean and covariance) or .safetensors (all features).")
    out = writable(out)
    with guests(), joined() as ranks:
        chosen = Options.of({**score_options(options), "ranks": ranks, "metrics": "sfid" if spatial else None})
        features, hints = features_and_hints(samples, chosen)
    if spatial and "spatial" not in features.views:
        raise UsageError(f"{features.extractor!r} has no view 'spatial', which is Inception's; leave out --spatial.")
    # of several processes, the first one writes
    if ranks is not None and ranks.rank > 0:
        return
    if out.suffix == ".npz":
        require_one_plane(features)
        others = {"spatial": features.moments("spatial")} if spatial else {}
        write_statistics(replace(features.moments(), others=others), out)
    else:
        features.save(out)
    say(f"{out}: {counted(len(features))} of {features.name}, features: {features.extractor}")
    show_hints(hints)


@stats_group.command(name="list")
@click.argument("name", required=False)
def stats_list(name: str | None) -> None:
    """List statistics by name; with a NAME, print everything that is known about these.

    Use them with --reference stats:NAME. A checksum in the list is published, pinned on first use, or yours.
    """
    from genbench.cli.statistics_list import statistics_details, statistics_table
    from genbench.features.statistics_registry import all_statistics, named_statistics

    # the table has room for the most important things only
    say(statistics_table(all_statistics()) if name is None else statistics_details(named_statistics(name)))


@stats_group.command(name="pull")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def stats_pull(names: tuple[str, ...]) -> None:
    """Find or download statistics by name, and print their path.

    A file that is on this computer already is found by its checksum. --reference stats:NAME does the same.
    """
    from genbench.features.named_statistics import find_statistics
    from genbench.features.statistics_registry import PREFIX, named_statistics

    # a mistyped name is reported before the first download
    for statistics in [named_statistics(name.removeprefix(PREFIX)) for name in names]:
        path, sha256 = find_statistics(statistics)
        say(f"{PREFIX}{statistics.name}: {path} ({size_text(path.stat().st_size)}, sha256 {sha256})")


@stats_group.command(name="add")
@click.argument("name")
@click.argument("place", metavar="URL|PATH")
@click.option("--sha256", default="", metavar="HEX", help="Checksum of the file; default: that of the first file.")
@click.option("--extractor", metavar="SPEC", help="Extractor of the features, such as inception,resize=clean.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="Number of samples; default: unknown.")
@click.option(
    "--labels", type=click.Choice(["random", "equal"]), help="How labels of generated samples are drawn for it."
)
def stats_add(name: str, place: str, sha256: str, extractor: str | None, **known: Any) -> None:
    """Add a file of statistics, at an address or a path, under a name of your own.

    \b
    genbench stats add faces https://host/faces.npz --extractor inception,resize=clean
    genbench stats add mine real.npz
    """
    from genbench.features.statistics_registry import PREFIX, add_statistics
    from genbench.plugs.registry import load

    # an extractor has one name and many specs; its weights are not needed for it
    with guests():
        extractors = [str(getattr(load("extractors", extractor), "name", extractor))] if extractor else []
    # options that are not given keep the defaults of the record
    given = {key: value for key, value in known.items() if value is not None}
    replaces = add_statistics(name, place, sha256=sha256, extractors=extractors, **given)
    say(f"{PREFIX}{name}: {place} {'replaces the earlier file' if replaces else 'is added'}")
