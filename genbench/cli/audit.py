"""The verb ``audit``: put metrics through checks with known answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from genbench.cli.options import NamedPath, not_empty
from genbench.cli.printing import guests, json_text, say


@click.command(name="audit", short_help="Put metrics through checks with known answers.")
@click.option("--metrics", "--metric", callback=not_empty, metavar="all|LIST",
              help="Names or specs, also your.module:Metric; default: all, with --quick a few.")  # fmt: skip
@click.option("--checks", default="all", show_default=True, callback=not_empty, metavar="all|LIST",
              help="Names of checks.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Processes; default: one per CPU core.")
@click.option("--quick", is_flag=True, help="Fewer rows, points and dimensions; less sure.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--out", type=NamedPath(file_okay=False, path_type=Path), help="Also write audit.md and audit.html here.")
def audit_command(metrics: str | None, checks: str, as_json: bool, out: Path | None, **options: Any) -> None:
    """Put metrics through checks with known answers: which faults does each score see, and which not?

    Known faults are put into data: shifts, missing modes, copies, outliers, disturbed images and others. Each score of
    each metric must see those that it is meant to see, and no others. The metric may be your own.
    """
    from genbench.checks.audit.audit import run_audit
    from genbench.checks.audit.request import AuditRequest
    from genbench.page.audit_page import write_audit
    from genbench.runs.workers import signals_interrupt

    request = AuditRequest.of(metrics, checks, options["quick"], options["seed"])
    mapped = partial(_mapped_in_processes, options["jobs"] or os.cpu_count() or 1)
    with guests(), signals_interrupt():
        audit = run_audit(request, lambda title: click.echo(f"{title} ...", err=True), mapped)
    # the terminal first, so that a full disk loses nothing
    say(json_text(audit.to_json()) if as_json else audit.to_text())
    for path in write_audit(audit, out) if out else ():
        click.echo(f"wrote {path}", err=True)


def _mapped_in_processes(jobs: int, task: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """Yield the results of a task for each item, in order."""
    from genbench.runs.workers import worker_pool

    # a process that starts needs some seconds
    if min(jobs, len(items)) == 1:
        yield from map(task, items)
        return
    with worker_pool(min(jobs, len(items))) as submit:
        futures = [submit(task, item) for item in items]
        for future in futures:
            yield future.result()
