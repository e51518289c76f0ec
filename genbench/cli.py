"""The verbs of the command line: parse, call, print. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import textwrap
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.errors import GenbenchError, InputError, UsageError, did_you_mean

if TYPE_CHECKING:
    from genbench.results import Result
    from genbench.store import Store


def _refusal(message: str, exit_code: int) -> click.ClickException:
    """Return what click prints as one sentence, on one line, before it leaves with that code."""
    message = _visible(" ".join(line.strip() for line in message.splitlines()))
    return click.UsageError(message) if exit_code == 2 else click.ClickException(message)


class _Verbs(click.Group):
    """A group that turns what can go wrong into one sentence, and knows what a mistyped verb meant."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GenbenchError as error:
            raise _refusal(str(error), error.exit_code) from error
        except KeyboardInterrupt:
            raise _refusal("interrupted; what the store has is kept, the same command goes on from there.", 1) from None
        except MemoryError as error:
            raise _refusal("out of memory; give a smaller --batch-size or --count.", 1) from error
        except SystemExit as error:  # click itself leaves in another way
            raise _refusal(
                f"a guest's code called sys.exit({error.code!r}); let it raise an exception, or put what is a script "
                'under `if __name__ == "__main__":`.',
                1,
            ) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head` has seen enough: click leaves in silence
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise _refusal(
                f"{where}{error.strerror or error}; check that path, its permissions and its disk.", 1
            ) from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None and not cmd_name.startswith("-"):
            raise _refusal(f"no command is called {cmd_name!r}{did_you_mean(cmd_name, self.commands)}", 2)
        return command


def _not_empty(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty text: it comes from a shell variable that is not set."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; leave it out, or give a value (is a shell variable not set?).")
    return value


def _reading(command: Any) -> Any:
    """Add the options of every verb that looks at samples."""
    options = [
        click.option(
            "--features",
            callback=_not_empty,
            metavar="SPEC",
            help="Extractor; inception for images, points for points, if not given.",
        ),
        click.option(
            "--weights",
            callback=_not_empty,
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
            default=32,
            metavar="N",
            show_default=True,
            help="Samples at a time.",
        ),
        click.option("--workers", type=click.IntRange(1), metavar="N", help="Decoding threads; chosen if not given."),
        click.option(
            "--device", callback=_not_empty, default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps, ..."
        ),
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
    """Measure generative models: every standard number, with its error and its provenance.

    \b
    genbench score --samples out/ --reference real/     a folder against a folder
    genbench score --sampler my_models:Blobs --benchmark digits
    genbench inspect out/                               look before you score
    """
    # Pillow's own two lines; an image that large is refused with its name
    warnings.filterwarnings("ignore", message=".*decompression bomb.*")


@main.command()
@click.option(
    "--samples",
    callback=_not_empty,
    metavar="PATH|SPEC",
    help="Folder, zip, npz or npy of samples, or a data set's name.",
)
@click.option(
    "--sampler",
    callback=_not_empty,
    metavar="SPEC",
    help="module:attribute[,key=value...], a TorchScript file, or a plug.",
)
@click.option(
    "--reference",
    callback=_not_empty,
    metavar="PATH|SPEC",
    help="Real samples, or statistics (mu/sigma npz, features).",
)
@click.option(
    "--benchmark",
    callback=_not_empty,
    metavar="NAME",
    help="A frozen recipe: reference, extractor, metrics and count; see genbench list.",
)
@click.option(
    "--metrics",
    callback=_not_empty,
    metavar="LIST",
    help="Such as fid,is,splits=1,fd@pixels; all that apply if not given.",
)
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
    options["name"] = (options["name"] or text).encode(errors="replace").decode()  # a path's bytes need not be text
    if to is not None:
        to = _writable(to)
    with redirect_stdout(sys.stderr):  # what a guest prints is no data
        result = score_subject(open_subject(text, kinds), **_options(options))
    if to is not None:
        result.append(to)
    _show(result, as_json)


@main.command()
@click.argument("samples", callback=_not_empty, metavar="PATH|SPEC")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="A .npz of mu and sigma (pytorch-fid's), or a .safetensors of all features.")  # fmt: skip
@_reading
def stats(samples: str, out: Path, **options: Any) -> None:
    """Write the statistics of real samples, to use as --reference.

    \b
    genbench stats real/ --out real.npz               mean and covariance: enough for FID
    genbench stats real/ --out real.safetensors       every row: KID, precision and recall too
    """
    from genbench.report.table import counted
    from genbench.scoring import features_of
    from genbench.statistics import write_statistics

    if out.suffix not in (".npz", ".safetensors"):
        raise UsageError(f"{out} should end in .npz (mean and covariance) or .safetensors (all features).")
    out = _writable(out)
    with redirect_stdout(sys.stderr):
        features = features_of(samples, **_options(options))
    if out.suffix == ".npz":
        write_statistics(features.moments(), out)
    else:
        features.save(out)
    _say(f"{out}: {counted(len(features))} of {features.name}, seen by {features.extractor}")


@main.command(name="list", short_help="List what is installed.")
@click.argument("kind", required=False)
def list_plugs(kind: str | None) -> None:
    """List what is installed: benchmarks, metrics, extractors, sources, samplers."""
    from genbench import registry

    if kind is not None and kind not in registry.KINDS and f"{kind}s" in registry.KINDS:
        kind = f"{kind}s"
    for one in [kind] if kind else reversed(registry.KINDS):
        plugs = registry.describe(one)
        width = max((len(name) for name, _ in plugs), default=0)
        _say(f"{one}:")
        for name, about in plugs:
            _say(textwrap.fill(_plain(about), 100, initial_indent=f"  {name:{width}}  ",
                               subsequent_indent=" " * (width + 4), break_long_words=False))  # fmt: skip


@main.command(short_help="Look samples over before they are scored.")
@click.argument("path", callback=_not_empty, metavar="PATH|SPEC")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(path: str, as_json: bool) -> None:
    """Look samples over before they are scored: what was found, what is wrong with it.

    Exit code 1 where something cannot be decoded.
    """
    from genbench.inspection import inspect_samples

    with redirect_stdout(sys.stderr):
        report = inspect_samples(path)
    _say(_json(report.to_json()) if as_json else report.to_text())
    if report.corrupt:
        raise click.exceptions.Exit(1)


@main.command(short_help="Train, sample, score and compare.")
@click.argument("benchmark")
@click.option("--samplers", metavar="LIST", multiple=True, help="Names or specs; the recipe's if not given.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, metavar="N", help="Training seeds.")
@click.option("--budget", default="full", show_default=True, help="quick or full: how long is trained.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="The first seed.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs", show_default=True,
              help="Where checkpoints, figures and results go.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar.")
def run(benchmark: str, samplers: tuple[str, ...], quiet: bool, **options: Any) -> None:
    """Train, sample, score and compare: the same command goes on where it was cut off.

    \b
    genbench run digits --budget quick
    genbench run ring8 --samplers real,gan,r3gan,my_models:Blobs --repeats 5
    """
    from genbench import registry
    from genbench.report.runs import runs_text
    from genbench.running import run as run_benchmark

    names: list[str] = []
    for text in samplers:
        names += [text] if text.startswith("command:") else [str(spec) for spec in registry.parse_list(text)]
    with redirect_stdout(sys.stderr):  # what a guest prints is no data
        results = run_benchmark(benchmark, names, progress=False if quiet else None, **options)
    _say(runs_text(results, registry.load("benchmarks", benchmark).columns))


@main.command(short_help="Draw samples and write them to disk.")
@click.argument("sampler", callback=_not_empty, metavar="SPEC")
@click.option("--count", type=click.IntRange(1), required=True, metavar="N", help="How many samples.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder (PNG), .zip, .npz or .npy.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", show_default=True, help="Seed of the samples.")
@click.option("--weights", type=click.Path(path_type=Path), metavar="PATH", help="best.safetensors of `genbench run`.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def sample(sampler: str, count: int, out: Path, seed: int, weights: Path | None, quiet: bool) -> None:
    """Draw samples and write them to disk, as `score --sampler` with that count and seed sees them.

    \b
    genbench sample my_models:Blobs,size=8 --count 1000 --out blobs.npz
    genbench sample vae --weights runs/digits/vae/seed-0/best.safetensors --count 100 --out digits/
    """
    from genbench.drawing import Drawn
    from genbench.opening import open_subject
    from genbench.protocols import Sampler
    from genbench.writing import write_samples

    with redirect_stdout(sys.stderr):  # what a guest prints is no data
        opened = open_subject(sampler, ("samplers", "sources"))
        if not isinstance(opened, Sampler):
            raise UsageError(f"{sampler!r} is a set of samples already; `sample` takes a sampler.")
        if weights is not None:
            if not hasattr(opened, "load"):
                raise UsageError(f"{sampler!r} loads no weights; leave out --weights.")
            try:
                opened.load(weights)
            except Exception as error:
                raise InputError(
                    f"{weights} cannot be loaded into {sampler!r} ({error}); give its own weights."
                ) from error
        write_samples(Drawn(opened, count, seed, sampler), out, progress=False if quiet else None)
    _say(f"{out}: {count:,} samples of {sampler}, seed {seed}")


@main.group()
def cache() -> None:
    """See or clear the store of features."""


@cache.command(name="list")
def cache_list() -> None:
    """Print each extractor's share of the store."""
    store = _store()
    shelves = list(store.shelves())
    for shelf in shelves:
        identity = textwrap.shorten(shelf.identity, 60, placeholder=" ...")
        _say(f"{_bytes(shelf.size_bytes):>10}  {_blocks(shelf.blocks):>13}  {shelf.extractor:<16}  {identity}")
    if not shelves:
        click.echo(f"nothing is kept in {store.root} yet", err=True)


@cache.command(name="size")
def cache_size() -> None:
    """Print the folder and its size."""
    store = _store()
    _say(f"{_bytes(store.size_bytes())}  {store.root}")


@cache.command(name="clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cache_clear(yes: bool) -> None:
    """Remove all kept features (weights stay)."""
    store = _store()
    before = store.size_bytes()
    if not (yes or _confirmed(f"Remove the features kept in {store.root} ({_bytes(before)})?")):
        return
    store.clear()
    _say(f"removed {_bytes(before - store.size_bytes())} from {store.root}")
    if any(store.shelves()):
        raise InputError(f"Not all that is kept in {store.root} could be removed; check its permissions.")


@main.command(short_help="Check against answers known in closed form.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def selftest(as_json: bool) -> None:
    """Check the instrument against answers known in closed form (offline, seconds)."""
    from genbench.selftest import run_selftest

    report = run_selftest()
    _say(report.to_json() if as_json else report.to_text())
    if not report.passed:
        raise click.exceptions.Exit(1)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """Turn the flags of the command line into the options of ``score``."""
    quiet, no_cache = given.pop("quiet"), given.pop("no_cache")
    return {**given, "cache": not no_cache, "progress": False if quiet else None}


def _show(result: Result, as_json: bool) -> None:
    from genbench.report.table import result_text

    for warning in result.warnings:
        click.echo(_visible(f"Warning: {warning}"), err=True)
    _say(_json(result.to_json()) if as_json else result_text(result, plain=not _prints("↓↑±")))
    for hint in result.hints:
        click.echo(_visible(hint), err=True)


def _say(text: str) -> None:
    """Print to stdout whatever it can print: what it cannot is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(_visible(text).encode(encoding, "backslashreplace").decode(encoding))


def _visible(text: str) -> str:
    """Escape what would move the cursor or colour the terminal: a file may be called anything."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def _prints(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _json(text: str) -> str:
    """Return JSON in ASCII where stdout cannot print it as it is."""
    return text if _prints(text) else json.dumps(json.loads(text))


def _plain(about: str) -> str:
    """Turn the first line of a docstring into what a list says: no mark-up, and not what it raises."""
    about = re.sub(r"\s*Raises [^.]*\.$", "", about.replace("`", ""))
    about = re.sub(r"^Returns? (the )?", "", about)
    return about[:1].upper() + about[1:]


def _writable(path: Path) -> Path:
    """Return a path to write to, before the long work. Raises InputError where it cannot be written."""
    path = path.expanduser()
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK) or not (there == path or there.is_dir()):
        raise InputError(f"{path} cannot be written ({there} does not allow it); choose another file.")
    return path


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # Ctrl-C, or nobody there to answer
        click.echo(err=True)
        raise UsageError("Nothing was removed; where nobody can answer, add --yes.") from None


def _store() -> Store:
    from genbench.locations import cache_root
    from genbench.store import Store

    root = cache_root()
    if root is None:
        raise UsageError("GENBENCH_CACHE=off: there is no store.")
    return Store(root)


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count:,} blocks"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
