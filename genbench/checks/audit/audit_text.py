"""An audit as text for the terminal."""

from __future__ import annotations

from genbench.checks.audit.record import Audit, ScoreAudit

DIRECTIONS = {"lower": "↓", "higher": "↑"}


def audit_text(audit: Audit) -> str:
    """Return a table of scores and checks, the checks behind the numbers, and the scores' blind spots."""
    from tabulate import tabulate

    # checks are numbered, because their names are too wide for columns
    rows = [[score_label(score), score.measures, *(cell.counts for cell in score.cells)] for score in audit.scores]
    heads = ["score", "measures", *(str(number) for number in range(1, len(audit.checks) + 1))]
    legend = [f"{number:>3}  {name}: {title}" for number, (name, title, _) in enumerate(audit.checks, start=1)]
    size = f"{audit.count:,} rows a side, {audit.repeats} repeats, seed {audit.seed}, {audit.seconds:.0f} s"
    # the table, its legend, the blind spots, and how it was made
    lines = [
        tabulate(rows, headers=heads, disable_numparse=True),
        "",
        "k/n: criteria that hold, of all; -: the check does not apply; ~: would change without one of the repeats",
        *legend,
        "",
        *(f"{score.score} fails: {', '.join(blind_spots(audit, score)) or 'nothing'}" for score in audit.scores),
        "",
        *audit.notes,
        size + (", the quick audit: fewer rows, points and dimensions than the whole one" if audit.quick else ""),
    ]
    return "\n".join(lines)


def score_label(score: ScoreAudit) -> str:
    """Return the name of a score with an arrow for its direction."""
    return f"{score.score} {DIRECTIONS[score.better]}"


def blind_spots(audit: Audit, score: ScoreAudit) -> list[str]:
    """Return the titles of the checks of which the score passes less than half of the criteria."""
    # people read titles
    titles = {name: title for name, title, _ in audit.checks}
    return [titles[cell.check] for cell in score.cells if cell.criteria and 2 * cell.passed < len(cell.criteria)]
