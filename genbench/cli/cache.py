"""The verb ``cache``: list, measure or clear the store of features."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from genbench.cli.printing import say, size_text
from genbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from genbench.extraction.feature_store import Store


@click.group(name="cache")
def cache_group() -> None:
    """List, measure or clear the store of features."""


@cache_group.command(name="list")
def cache_list() -> None:
    """Print the size and the number of blocks of each extractor."""
    store = _store()
    # one line per extractor: size, number of blocks, name, identity
    extractors = list(store.extractors())
    for each in extractors:
        identity = textwrap.shorten(each.identity, 60, placeholder=" ...")
        blocks = "1 block" if each.blocks == 1 else f"{each.blocks:,} blocks"
        say(f"{size_text(each.size_bytes):>10}  {blocks:>13}  {each.extractor:<16}  {identity}")
    if not extractors:
        click.echo(f"{store.shown} holds no features yet", err=True)


@cache_group.command(name="size")
def cache_size() -> None:
    """Print the size and the path of the store; of one at an address, also those of the local copies."""
    store = _store()
    if store.remote is not None:
        say(f"{size_text(store.remote_size())}  {store.remote.shown}")
    say(f"{size_text(store.size_bytes())}  {store.root}")


@cache_group.command(name="clear")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--remote", is_flag=True, help="Also remove those at the address in GENBENCH_CACHE, for all machines.")
def cache_clear(yes: bool, remote: bool) -> None:
    """Remove all stored features of this machine; downloaded weights stay."""
    store = _store()
    if remote and store.remote is None:
        raise UsageError("GENBENCH_CACHE is no address; leave out --remote.")
    # ask first, unless --yes is given
    before = store.size_bytes()
    places = f"{store.root} ({size_text(before)})"
    if remote and store.remote is not None:
        places += f" and in {store.remote.shown} ({size_text(store.remote_size())}), which other machines may use"
    if not (yes or _confirmed(f"Remove the features in {places}?")):
        return
    if remote:
        store.clear(remote=True)
    store.clear()
    # report what was removed, even if something could not be
    say(f"removed {size_text(before - store.size_bytes())} from {store.root}")
    if any(store.root.glob("features/*/??/*")):
        raise InputError(f"Some features in {store.root} could not be removed; check its permissions.")
    if store.remote is not None:
        say(f"removed all features from {store.remote.shown}" if remote else _kept(store.remote.shown))


def _kept(address: str) -> str:
    return f"kept the features in {address}; --remote removes them for all machines"


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        # Ctrl-C, or stdin is not a terminal
        click.echo(err=True)
        raise UsageError("Nothing was removed because nobody answered; add --yes to skip the question.") from None


def _store() -> Store:
    from genbench.extraction.feature_store import Store

    store = Store.default()
    if store is None:
        raise UsageError("There is no store because GENBENCH_CACHE is off; unset it or set it to a folder.")
    return store
