"""The verb ``demo``: write real images and a sampler, and score them, so that every command can be tried at once."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genbench.cli.options import NamedPath
from genbench.cli.printing import guests, say
from genbench.errors import InputError

if TYPE_CHECKING:
    from genbench.plugs.contracts import Batch, Source

SAMPLER = """\
# my_models.py
import numpy as np


class Blobs:
    def __init__(self, size=8):
        self.size = size

    def sample(self, count, seed):
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (count, self.size, self.size, 3), dtype=np.uint8)
"""

COUNT = 598
"""Number of images in each folder: a third of the digits."""

COMMANDS = (
    "genbench score new/ real/ --features digits --to demo/digits.jsonl --quiet",
    "genbench score old/ real/ --features digits --to demo/digits.jsonl --quiet",
    f"genbench score --sampler my_models:Blobs --reference real/ --features digits --count {COUNT} "
    "--to demo/digits.jsonl --quiet",
    "genbench table demo/digits.jsonl",
    "genbench report demo",
)

PAGE = Path("demo", "index.html")


@click.command(name="demo", short_help="Write real images and a sampler, and score them.")
@click.argument("folder", default=".", type=NamedPath(file_okay=False, path_type=Path), metavar="[DIR]")
@click.option("--no-open", is_flag=True, help="Do not open the page; without a terminal it is never opened.")
@click.pass_context
def demo_command(ctx: click.Context, folder: Path, no_open: bool) -> None:
    """Write real/, new/, old/ and my_models.py into DIR (default: this folder), score them, and show the page.

    The images are scikit-learn's handwritten digits. new/ holds digits of other writers than real/, old/ digits that
    are too dark, and the sampler in my_models.py draws noise. Nothing is downloaded; it takes less than a minute.

    \b
    genbench demo
    genbench demo try/ --no-open
    """
    with _inside(folder.expanduser()):
        _write_files()
        say(f"real/, new/ and old/ hold {COUNT} digits each, those in old/ are too dark; my_models.py draws noise.")
        # the commands as a user would type them
        root = ctx.find_root().command
        for command in COMMANDS:
            say(f"\n$ {command}")
            root.main(shlex.split(command)[1:], prog_name="genbench", standalone_mode=False)
        page = PAGE.absolute()
    say(f"\nThe page: {page}\nNext: genbench score old/ real/ --features digits --all")
    if not no_open and sys.stdout.isatty():
        click.launch(str(page))


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder, which is created."""
    # come back to the folder in which the command was started
    before = Path.cwd()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}); give another folder.") from error
    try:
        yield
    finally:
        os.chdir(before)


def _write_files() -> None:
    """Write the folders and the sampler. Raises InputError if one of them exists."""
    import numpy as np

    from genbench.derived_sources import Subset
    from genbench.plugs.opening import open_source
    from genbench.write_samples import write_samples

    # nothing of the user's is replaced
    existing = [name for name in ("real", "new", "old", "demo", "my_models.py") if Path(name).exists()]
    if existing:
        exist = "exists" if len(existing) == 1 else "exist"
        raise InputError(f"{', '.join(existing)} {exist} here already; name a new folder, as in `genbench demo try/`.")
    with guests():
        # three parts in the order of the data, so by different writers
        digits = open_source("digits")
        real, old, new = (Subset(digits, np.arange(part * COUNT, (part + 1) * COUNT), "") for part in range(3))
        write_samples(real, Path("real"), progress=False)
        write_samples(new, Path("new"), progress=False)
        write_samples(_Darker(old), Path("old"), progress=False)
    # the sampler of README
    Path("my_models.py").write_text(SAMPLER, encoding="utf-8")


class _Darker:
    """A source whose images have three quarters of their brightness."""

    def __init__(self, source: Source) -> None:
        self.source, self.name = source, source.name

    def __len__(self) -> int:
        return len(self.source)

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        for batch in self.source.batches(size, start, stop):
            assert not isinstance(batch.data, list)
            yield replace(batch, data=(batch.data * 0.75).astype(batch.data.dtype))
