"""The verbs of the command line: parse, call, print. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.errors import GenbenchError, UsageError, did_you_mean

if TYPE_CHECKING:
    from genbench.results import Result
    from genbench.store import Store


def _refusal(message: str, exit_code: int) -> click.ClickException:
    """Return what click prints as one sentence before it leaves with that code."""
    return click.UsageError(message) if exit_code == 2 else click.ClickException(message)


class _Verbs(click.Group):
    """A group that turns the errors of genbench into one sentence, and knows what a mistyped verb meant."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GenbenchError as error:
            raise _refusal(str(error), error.exit_code) from error
        except KeyboardInterrupt:
            raise _refusal("interrupted; finished blocks are kept, the same command goes on from there.", 1) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None and not cmd_name.startswith("-"):
            raise _refusal(f"no command is called {cmd_name!r}{did_you_mean(cmd_name, self.commands)}", 2)
        return command


def _reading(command: Any) -> Any:
    """Add the options of every verb that looks at samples."""
    options = [
        click.option("--features", metavar="SPEC", help="Extractor; inception for images, points for points."),
        click.option("--weights", metavar="PATH", help="The extractor's weights; else the cache, else a download."),
        click.option("--count", type=click.IntRange(1), metavar="N", help="How many samples; all if not given."),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of whatever is drawn."),
        click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Samples at a time."),
        click.option("--workers", type=click.IntRange(1), metavar="N", help="Decoding threads; chosen if not given."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps, ..."),
        click.option("--skip-corrupt", is_flag=True, help="Leave out what cannot be decoded, and say how many."),
        click.option("--no-cache", is_flag=True, help="Neither read nor write the store of features."),
        click.option("--quiet", is_flag=True, help="No progress bar."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="genbench", message="%(prog)s %(version)s")
def main() -> None:
    """Measure generative models: every standard number, with its error and its provenance."""
    # Pillow's own two lines; an image that large is refused with its name
    warnings.filterwarnings("ignore", message=".*decompression bomb.*")


@main.command()
@click.option("--samples", metavar="PATH|SPEC", help="Folder, zip, npz or npy of samples, or a data set's name.")
@click.option("--sampler", metavar="SPEC", help="module:attribute[,key=value...], a TorchScript file, or a plug.")
@click.option("--reference", metavar="PATH|SPEC", help="Real samples, or statistics (mu/sigma npz, features).")
@click.option("--benchmark", metavar="NAME", help="A frozen recipe: reference, extractor, metrics and count.")
@click.option("--metrics", metavar="LIST", help="Such as fid,is,splits=1,fd@pixels; all that apply if not given.")
@_reading
@click.option("--name", help="What the table calls the subject.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every field of the result.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Add the result to a JSON-lines file.")
def score(samples: str | None, sampler: str | None, as_json: bool, to: Path | None, **options: Any) -> None:
    """Score samples or a sampler.

    \b
    genbench score --samples out/ --reference real/
    genbench score --samples out.npz --reference imagenet256.npz --metrics fid,is
    genbench score --sampler acme.models:Fractal,depth=5 --benchmark digits
    """
    if (samples is None) == (sampler is None):
        raise UsageError("Say what to score: either --samples PATH|SPEC or --sampler SPEC.")
    from genbench.opening import open_subject
    from genbench.scoring import score as score_subject

    text = samples if samples is not None else str(sampler)
    kinds = ("sources", "samplers") if samples is not None else ("samplers", "sources")
    options["name"] = options["name"] or text
    result = score_subject(open_subject(text, kinds), **_options(options))
    if to is not None:
        result.append(to)
    _show(result, as_json)


@main.command()
@click.argument("samples", metavar="PATH|SPEC")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="A .npz of mu and sigma (pytorch-fid's), or a .safetensors of all features.")  # fmt: skip
@_reading
def stats(samples: str, out: Path, **options: Any) -> None:
    """Write the statistics of real samples, to use as --reference.

    \b
    genbench stats real/ --out real.npz               mean and covariance: enough for FID
    genbench stats real/ --out real.safetensors       every row: KID, precision and recall too
    """
    from genbench.scoring import features_of
    from genbench.statistics import write_statistics

    if out.suffix not in (".npz", ".safetensors"):
        raise UsageError(f"{out} should end in .npz (mean and covariance) or .safetensors (all features).")
    features = features_of(samples, **_options(options))
    if out.suffix == ".npz":
        write_statistics(features.moments(), out)
    else:
        features.save(out)
    click.echo(f"{out}: {len(features):,} samples of {features.name}, seen by {features.extractor}")


@main.command(name="list")
@click.argument("kind", required=False)
def list_plugs(kind: str | None) -> None:
    """List what is installed: benchmarks, metrics, extractors, sources, samplers."""
    from genbench import registry

    if kind is not None and kind not in registry.KINDS and f"{kind}s" in registry.KINDS:
        kind = f"{kind}s"
    for one in [kind] if kind else reversed(registry.KINDS):
        plugs = registry.describe(one)
        click.echo(f"{one}:")
        width = max((len(name) for name, _ in plugs), default=0)
        for name, about in plugs:
            click.echo(f"  {name:{width}}  {about}")


@main.command()
@click.argument("path", metavar="PATH|SPEC")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(path: str, as_json: bool) -> None:
    """Look samples over before they are scored: what was found, what is wrong with it.

    Exit code 1 where something cannot be decoded.
    """
    from genbench.inspection import inspect_samples

    report = inspect_samples(path)
    click.echo(report.to_json() if as_json else report.to_text())
    if report.corrupt:
        raise click.exceptions.Exit(1)


@main.group()
def cache() -> None:
    """See or clear the store of features."""


@cache.command(name="list")
def cache_list() -> None:
    """Print each extractor's share of the store."""
    for shelf in _store().shelves():
        click.echo(f"{_bytes(shelf.size_bytes):>10}  {shelf.blocks:>7,} blocks  {shelf.extractor}  {shelf.identity}")


@cache.command(name="size")
def cache_size() -> None:
    """Print the folder and its size."""
    store = _store()
    click.echo(f"{_bytes(store.size_bytes())}  {store.root}")


@cache.command(name="clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cache_clear(yes: bool) -> None:
    """Remove all kept features (weights stay)."""
    store = _store()
    size = _bytes(store.size_bytes())
    if yes or click.confirm(f"Remove the features kept in {store.root} ({size})?", err=True):
        store.clear()
        click.echo(f"removed {size} from {store.root}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def selftest(as_json: bool) -> None:
    """Check the instrument against answers known in closed form (offline, seconds)."""
    from genbench.selftest import run_selftest

    report = run_selftest()
    click.echo(report.to_json() if as_json else report.to_text())
    if not report.passed:
        raise click.exceptions.Exit(1)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """Turn the flags of the command line into the options of ``score``."""
    quiet, no_cache = given.pop("quiet"), given.pop("no_cache")
    return {**given, "cache": not no_cache, "progress": False if quiet else None}


def _show(result: Result, as_json: bool) -> None:
    from genbench.report.table import result_text

    for warning in result.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(result.to_json() if as_json else result_text(result))
    for hint in result.hints:
        click.echo(hint, err=True)


def _store() -> Store:
    from genbench.locations import cache_root
    from genbench.store import Store

    root = cache_root()
    if root is None:
        raise UsageError("GENBENCH_CACHE=off: there is no store.")
    return Store(root)


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
