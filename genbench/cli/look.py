"""list, inspect and selftest: look before you score."""

from __future__ import annotations

import re
import sys
import textwrap
from contextlib import redirect_stdout

import click

from genbench.cli.options import not_empty
from genbench.cli.printing import json_text, say


@click.command(name="list", short_help="List what is installed.")
@click.argument("kind", required=False)
def list_plugs(kind: str | None) -> None:
    """List what is installed: benchmarks, metrics, extractors, sources, samplers, trackers."""
    from genbench import registry

    if kind is not None and kind not in registry.KINDS and f"{kind}s" in registry.KINDS:
        kind = f"{kind}s"
    for one in [kind] if kind else reversed(registry.KINDS):
        plugs = registry.describe(one)
        width = max((len(name) for name, _ in plugs), default=0)
        say(f"{one}:")
        for name, about in plugs:
            say(textwrap.fill(first_sentence(about), 100, initial_indent=f"  {name:{width}}  ",
                               subsequent_indent=" " * (width + 4), break_long_words=False))  # fmt: skip


@click.command(short_help="Look samples over before they are scored.")
@click.argument("path", callback=not_empty, metavar="PATH|SPEC")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(path: str, as_json: bool) -> None:
    """Look samples over before they are scored: what was found, what is wrong with it.

    Exit code 1 where something cannot be decoded.
    """
    from genbench.inspection import inspect_samples

    with redirect_stdout(sys.stderr):
        report = inspect_samples(path)
    say(json_text(report.to_json()) if as_json else report.to_text())
    if report.corrupt:
        raise click.exceptions.Exit(1)


@click.command(short_help="Check against answers known in closed form.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def selftest(as_json: bool) -> None:
    """Check the instrument against answers known in closed form (offline, seconds)."""
    from genbench.selftest import run_selftest

    report = run_selftest()
    say(report.to_json() if as_json else report.to_text())
    if not report.passed:
        raise click.exceptions.Exit(1)


def first_sentence(about: str) -> str:
    """Turn the first line of a docstring into what a list says: no mark-up, and not what it raises."""
    about = re.sub(r"\s*Raises [^.]*\.$", "", about.replace("`", ""))
    about = re.sub(r"^Returns? (the )?", "", about)
    return about[:1].upper() + about[1:]
