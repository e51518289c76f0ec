"""Options that several verbs share, and checks of options before the long work."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from genbench.cli.printing import guests
from genbench.errors import InputError, refuse_address
from genbench.plugs.contracts import BATCH_SIZE

Callback = Callable[[click.Context, click.Parameter, Any], Any]

EMPTY = "it is empty; give a value or leave the option out (is a shell variable not set?)."


def not_empty(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty value, which usually comes from a shell variable that is not set."""
    if value is not None and not value.strip():
        raise click.BadParameter(EMPTY)
    return value


def known(*kinds: str, results: bool = False) -> Callback:
    """Return a callback that refuses a text that names neither a path nor a plug of these kinds.

    With ``results`` the text may also be the path of a file of results. A mistyped path is told before the libraries
    are imported that are needed to open it.
    """

    def callback(ctx: click.Context, option: click.Parameter, value: Any) -> Any:
        # an argument may have several values
        for text in [value] if isinstance(value, str) else value or ():
            not_empty(ctx, option, text)
            if results and text.endswith(".jsonl"):
                require_results(text)
            # statistics by name are no samples; the reader of references says what is wrong with them
            elif not text.startswith("stats:"):
                from genbench.plugs.known_names import require_known

                require_known(text, kinds)
        return value

    return callback


def require_results(path: str) -> None:
    """Raise InputError if a file of results does not exist. The file is not opened: a pipe can be read only once."""
    refuse_address(path)
    try:
        Path(path).expanduser().stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file that --to wrote.") from error


def known_benchmark(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse the name of a benchmark that is not installed; a benchmark in a module is imported later."""
    if not_empty(ctx, option, value) is not None:
        from genbench.plugs.registry import plug
        from genbench.plugs.specs import parse_spec

        # the options of a benchmark are checked when it is opened
        name = parse_spec(str(value)).name
        if ":" not in name:
            plug("benchmarks", name)
    return value


def known_extractor(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse the name of an extractor that is not installed; its options are checked when it is opened."""
    if not_empty(ctx, option, value) is not None:
        from genbench.plugs.registry import require_installed
        from genbench.plugs.specs import parse_spec

        # a guest or a file
        name = parse_spec(str(value)).name
        if ":" not in name and not Path(name).is_file():
            require_installed("extractors", name)
    return value


def known_metrics(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse metrics, or extractors after an ``@``, that are not installed."""
    if not_empty(ctx, option, value) is not None:
        from genbench.scoring.metric_lists import metric_specs

        for spec in metric_specs(str(value)):
            known_extractor(ctx, option, spec.extractor)
    return value


def known_panel(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse a text that is neither a panel nor a list of extractors."""
    if not_empty(ctx, option, value) is not None:
        from genbench.scoring.panels import open_panel

        open_panel(str(value))
    return value


def known_floor(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse a text that names no samples, unless it asks for the published distances of a panel."""
    if value is not None:
        from genbench.scoring.panels import PUBLISHED_FLOOR

        # a folder of this name is given as a path
        return value if value == PUBLISHED_FLOOR else str(known("sources")(ctx, option, value))
    return value


class NamedPath(click.Path):
    """The path of a file or folder. An empty one, which would be the working folder, is refused."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Return the path. Raises BadParameter if it is empty or of the wrong kind."""
        if isinstance(value, str) and not value.strip():
            self.fail(EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class ResultsFile(NamedPath):
    """The path of a file of results, which must exist."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Return the path. Raises BadParameter if it is empty or of the wrong kind, InputError if there is no file."""
        path = super().convert(value, param, ctx)
        require_results(os.fsdecode(path))
        return path


def absolute(ctx: click.Context, option: click.Parameter, value: Path) -> Path:
    """Return a path that means the same after a guest has changed the working folder."""
    return value.expanduser().absolute()


def openable_tracker(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Open and close a tracker, so that a mistyped name or a missing library is reported before the long work."""
    if value is not None:
        from genbench.scoring.tracking import open_tracker

        with guests():
            open_tracker(value).close()
    return value


def logging(command: Any) -> Any:
    """Add the option of verbs whose results can be sent to a tracker."""
    return click.option(
        "--log-to",
        callback=openable_tracker,
        metavar="SPEC",
        help="Also send the scores to tensorboard, wandb, mlflow or trackio[,key=value...].",
    )(command)


READING_OPTIONS = (
    # the extractor
    click.option(
        "--features",
        callback=known_extractor,
        metavar="SPEC",
        help="Extractor; default: points for points; for images inception, or efficientnet-lite0 without its weights.",
    ),
    click.option(
        "--weights",
        callback=not_empty,
        metavar="PATH",
        help="Weights of the extractor; default: stored or downloaded.",
    ),
    # the samples
    click.option("--count", type=click.IntRange(1), metavar="N", help="Number of samples; default: all."),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        show_default=True,
        help="Seed of all random draws.",
    ),
    # speed and memory
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=BATCH_SIZE,
        metavar="N",
        show_default=True,
        help="Samples per batch.",
    ),
    click.option(
        "--workers", type=click.IntRange(1), metavar="N", help="Decoding threads; default: chosen automatically."
    ),
    click.option(
        "--device", callback=not_empty, default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps, ..."
    ),
    click.option(
        "--precision", callback=not_empty, metavar="NAME", help="fp32, or tf32 or bf16: faster, but other scores."
    ),
    click.option(
        "--backend",
        callback=not_empty,
        metavar="NAME",
        help="torch, openvino or compile: the same scores, at other speeds.",
    ),
    # behaviour
    click.option(
        "--skip-corrupt", is_flag=True, help="Leave out files that cannot be decoded, and print their number."
    ),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        metavar="N",
        help="Largest number of pixels of an image that is decoded.",
    ),
    click.option("--no-cache", is_flag=True, help="Do not read or write the store of features."),
    click.option("--quiet", is_flag=True, help="Show no progress."),
)


def reading(command: Any) -> Any:
    """Add the options of verbs that extract features from samples."""
    # decorators apply from the last to the first
    for option in reversed(READING_OPTIONS):
        command = option(command)
    return command


label_sampling = click.option(
    "--labels",
    callback=not_empty,
    metavar="RULE",
    help="Classes requested of a sampler: equal (in turn; default), random, or reference (its proportions).",
)


def score_options(flags: dict[str, Any]) -> dict[str, Any]:
    """Convert the flags of the command line to options of ``score``."""
    # the flags are negative, the options positive; without --quiet, a terminal gets a progress bar
    quiet, no_cache = flags.pop("quiet"), flags.pop("no_cache")
    return {**flags, "cache": not no_cache, "progress": False if quiet else None}


def writable(path: Path) -> Path:
    """Expand a path that will be written after the long work. Raises InputError if it cannot be written."""
    path = path.expanduser()
    # the file or the nearest folder that exists
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not os.access(existing, os.W_OK) or not (existing == path or existing.is_dir()):
        raise InputError(f"{path} cannot be written ({existing} does not allow it); choose another file.")
    return path


def confidence_of(ctx: click.Context, option: click.Parameter, value: str) -> float:
    """Convert 95% or .95 to .95."""
    # a percentage or a fraction
    try:
        number = float(value.strip().removesuffix("%")) / (100 if value.strip().endswith("%") else 1)
    except ValueError:
        number = 0.0
    if not 0.5 <= number < 1:
        raise click.BadParameter(f"{value!r} is not a confidence from 50% to below 100%; write, for example, 95%.")
    return number


def largest_count(ctx: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Convert a number of samples, or ``none`` for no limit."""
    if value is None or value.strip().lower() == "none":
        return None if value is None else math.inf
    if not value.strip().isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is no number of samples; write, for example, 10000, or none.")
    return int(value)


confidence = click.option(
    "--confidence",
    default="95%",
    show_default=True,
    metavar="P",
    callback=confidence_of,
    help="Confidence that all verdicts hold together.",
)

training = click.option(
    "--train",
    callback=known("sources"),
    metavar="PATH|SPEC",
    help="Training samples, for metrics of memorisation; the reference is then unseen.",
)
