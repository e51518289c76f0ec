"""cache: see or clear the store of features."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from genbench.cli.printing import say, size_text
from genbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from genbench.extraction.feature_store import Store


@click.group()
def cache() -> None:
    """See or clear the store of features."""


@cache.command(name="list")
def cache_list() -> None:
    """Print each extractor's share of the store."""
    store = _store()
    shelves = list(store.shelves())
    for shelf in shelves:
        identity = textwrap.shorten(shelf.identity, 60, placeholder=" ...")
        say(f"{size_text(shelf.size_bytes):>10}  {blocks_text(shelf.blocks):>13}  {shelf.extractor:<16}  {identity}")
    if not shelves:
        click.echo(f"nothing is kept in {store.root} yet", err=True)


@cache.command(name="size")
def cache_size() -> None:
    """Print the folder and its size."""
    store = _store()
    say(f"{size_text(store.size_bytes())}  {store.root}")


@cache.command(name="clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cache_clear(yes: bool) -> None:
    """Remove all kept features (weights stay)."""
    store = _store()
    before = store.size_bytes()
    if not (yes or _confirmed(f"Remove the features kept in {store.root} ({size_text(before)})?")):
        return
    store.clear()
    say(f"removed {size_text(before - store.size_bytes())} from {store.root}")
    if any(store.shelves()):
        raise InputError(f"Not all that is kept in {store.root} could be removed; check its permissions.")


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # Ctrl-C, or nobody there to answer
        click.echo(err=True)
        raise UsageError("Nothing was removed; where nobody can answer, add --yes.") from None


def _store() -> Store:
    from genbench.extraction.feature_store import Store
    from genbench.files.folders import cache_root

    root = cache_root()
    if root is None:
        raise UsageError("GENBENCH_CACHE=off: there is no store.")
    return Store(root)


def blocks_text(count: int) -> str:
    return "1 block" if count == 1 else f"{count:,} blocks"
