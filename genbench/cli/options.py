"""Options that several verbs share, and what they have in common: checked before the long work."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from genbench.errors import InputError
from genbench.plugs.contracts import BATCH_SIZE


def not_empty(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty text: it comes from a shell variable that is not set."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; leave it out, or give a value (is a shell variable not set?).")
    return value


def tracker(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Open a tracker once before the long work: a mistyped name or a missing library is said at the start."""
    if value is not None:
        from genbench.tracking import open_tracker

        with redirect_stdout(sys.stderr):  # what its library prints is no data
            open_tracker(value).close()
    return value


def logging(command: Any) -> Any:
    """Add the option of every verb whose results can be sent to a tracker."""
    return click.option(
        "--log-to",
        callback=tracker,
        metavar="SPEC",
        help="Send the numbers to tensorboard, wandb or mlflow[,key=value...], too.",
    )(command)


def reading(command: Any) -> Any:
    """Add the options of every verb that looks at samples."""
    options = [
        click.option(
            "--features",
            callback=not_empty,
            metavar="SPEC",
            help="Extractor; inception for images, points for points, if not given.",
        ),
        click.option(
            "--weights",
            callback=not_empty,
            metavar="PATH",
            help="The extractor's weights; else the cache, else a download.",
        ),
        click.option("--count", type=click.IntRange(1), metavar="N", help="How many samples; all if not given."),
        click.option(
            "--seed",
            type=click.IntRange(0),
            default=0,
            metavar="N",
            show_default=True,
            help="Seed of whatever is drawn.",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(1),
            default=BATCH_SIZE,
            metavar="N",
            show_default=True,
            help="Samples at a time.",
        ),
        click.option("--workers", type=click.IntRange(1), metavar="N", help="Decoding threads; chosen if not given."),
        click.option(
            "--device", callback=not_empty, default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps, ..."
        ),
        click.option(
            "--precision", callback=not_empty, metavar="NAME", help="fp32, or tf32 or bf16: faster, other numbers."
        ),
        click.option(
            "--backend", callback=not_empty, metavar="NAME", help="torch, openvino or compile: the same numbers."
        ),
        click.option("--skip-corrupt", is_flag=True, help="Leave out what cannot be decoded, and say how many."),
        click.option("--no-cache", is_flag=True, help="Neither read nor write the store of features."),
        click.option("--quiet", is_flag=True, help="No progress bar."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def score_options(given: dict[str, Any]) -> dict[str, Any]:
    """Turn the flags of the command line into the options of ``score``."""
    quiet, no_cache = given.pop("quiet"), given.pop("no_cache")
    return {**given, "cache": not no_cache, "progress": False if quiet else None}


def writable(path: Path) -> Path:
    """Return a path to write to, before the long work. Raises InputError where it cannot be written."""
    path = path.expanduser()
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK) or not (there == path or there.is_dir()):
        raise InputError(f"{path} cannot be written ({there} does not allow it); choose another file.")
    return path


def confidence_of(ctx: click.Context, option: click.Parameter, value: str) -> float:
    """Turn 95% or .95 into .95."""
    try:
        number = float(value.strip().removesuffix("%")) / (100 if value.strip().endswith("%") else 1)
    except ValueError:
        number = 0.0
    if not 0.5 <= number < 1:
        raise click.BadParameter(f"{value!r} is no confidence from 50% to below 100%; write 95%.")
    return number


confidence = click.option(
    "--confidence",
    default="95%",
    show_default=True,
    metavar="P",
    callback=confidence_of,
    help="Of all verdicts at once.",
)
