"""The verb ``audit``: put metrics through checks with known answers."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.cli.options import NamedPath, not_empty
from genbench.cli.printing import guests, json_text, say


@click.command(name="audit", short_help="Put metrics through checks with known answers.")
@click.option("--metrics", callback=not_empty, metavar="all|LIST", help="Names or specs, also your.module:Metric; "
              "default: all, with --quick a few.")  # fmt: skip
@click.option("--checks", default="all", show_default=True, callback=not_empty, metavar="all|LIST",
              help="Names of checks.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Fewer rows, points and dimensions; less sure.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--out", type=NamedPath(file_okay=False, path_type=Path), help="Also write audit.md and audit.html here.")
def audit_command(metrics: str | None, checks: str, quick: bool, seed: int, as_json: bool, out: Path | None) -> None:
    """Put metrics through checks with known answers: which faults does each score see, and which not?

    Known faults are put into data: shifts, missing modes, copies, outliers, disturbed images and others. Each score of
    each metric must see those that it is meant to see, and no others. The metric may be your own.
    """
    from genbench.checks.audit.audit import FULL, QUICK, QUICK_METRICS, AuditRequest, run_audit
    from genbench.checks.audit.audit_text import audit_text
    from genbench.page.audit_page import write_audit

    metrics = metrics or (QUICK_METRICS if quick else "all")
    request = AuditRequest(metrics, checks, QUICK if quick else FULL, seed, quick)
    with guests():
        audit = run_audit(request, lambda title: click.echo(f"{title} ...", err=True))
    # the terminal first, so that a full disk loses nothing
    say(json_text(audit.to_json()) if as_json else audit_text(audit))
    for path in write_audit(audit, out) if out else ():
        click.echo(f"wrote {path}", err=True)
