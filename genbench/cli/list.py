"""The verb ``list``: list the installed plugs."""

from __future__ import annotations

import textwrap

import click

from genbench.cli.printing import say


@click.command(name="list", short_help="List the installed plugs.")
@click.argument("kind", required=False)
def list_command(kind: str | None) -> None:
    """List the installed benchmarks, metrics, extractors, sources, samplers and trackers."""
    from genbench.plugs import registry
    from genbench.plugs.declarations import about_plug
    from genbench.scoring.metric_lists import METRIC_GROUPS
    from genbench.tables.line_width import WIDTH

    # "genbench list metric" means "genbench list metrics"
    if kind is not None and kind not in registry.KINDS and f"{kind}s" in registry.KINDS:
        kind = f"{kind}s"
    for each in [kind] if kind else reversed(registry.KINDS):
        plugs = [(name, about_plug(each, name)) for name in registry.installed(each)]
        # names that stand for several metrics
        plugs += [
            (name, f"Group of metrics: {members}") for name, members in METRIC_GROUPS.items() if each == "metrics"
        ]
        # names in a column, descriptions wrapped beside it
        width = max((len(name) for name, _ in plugs), default=0)
        say(f"{each}:")
        for name, about in plugs:
            say(textwrap.fill(about, WIDTH, initial_indent=f"  {name:{width}}  ",
                               subsequent_indent=" " * (width + 4), break_long_words=False))  # fmt: skip
