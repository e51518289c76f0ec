"""The verb ``list``: the installed plugs."""

from __future__ import annotations

import re
import textwrap

import click

from genbench.cli.printing import say


@click.command(name="list", short_help="List what is installed.")
@click.argument("kind", required=False)
def list_plugs(kind: str | None) -> None:
    """List what is installed: benchmarks, metrics, extractors, sources, samplers, trackers."""
    from genbench.plugs import registry

    if kind is not None and kind not in registry.KINDS and f"{kind}s" in registry.KINDS:
        kind = f"{kind}s"
    for one in [kind] if kind else reversed(registry.KINDS):
        plugs = [(name, registry.plug(one, name).summary) for name in registry.installed(one)]
        width = max((len(name) for name, _ in plugs), default=0)
        say(f"{one}:")
        for name, about in plugs:
            say(textwrap.fill(first_sentence(about), 100, initial_indent=f"  {name:{width}}  ",
                               subsequent_indent=" " * (width + 4), break_long_words=False))  # fmt: skip


def first_sentence(about: str) -> str:
    """Turn the first line of a docstring into what a list says: no mark-up, and not what it raises."""
    about = re.sub(r"\s*Raises [^.]*\.$", "", about.replace("`", ""))
    about = re.sub(r"^Returns? (the )?", "", about)
    return about[:1].upper() + about[1:]
