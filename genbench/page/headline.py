"""The answer of a table in one sentence, from its rank intervals."""

from __future__ import annotations

from genbench.comparison.leaderboard import Standing
from genbench.tables.leaderboard_table import Table
from genbench.tables.numbers import listed


def headline(table: Table) -> str:
    """Return which models lead, which cannot be ranked, and whether the best differ from real samples.

    "By fd, cgan and cvae lead; gan varies too much over seeds to be ranked." Empty if no model has a rank.
    """
    rows = {row.name: row.cells[table.sort] for row in table.rows if row.ranked and table.sort in row.cells}
    ranked = {name: standing for name, standing in rows.items() if standing.ranked}
    # the target and the worst case are no models
    roles = {row.name: row.role for row in table.rows if row.ranked}
    models = {name: standing for name, standing in ranked.items() if not roles[name]}
    if not models:
        return ""
    varying = [name for name, standing in models.items() if _varies(standing, len(models))]
    # the best rank that a model may have, of those that are ranked
    others = {name: standing for name, standing in models.items() if name not in varying}
    best = min((standing.first or 0 for standing in others.values()), default=0)
    leaders = {name: standing for name, standing in others.items() if standing.first == best}
    # a model that is not worse than real samples has reached the best possible score
    real = any(role == "target" and name in ranked for name, role in roles.items())
    parts = [_about_leaders(leaders, len(ranked), real)] if leaders else []
    if varying:
        parts.append(f"{listed(varying)} {'varies' if len(varying) == 1 else 'vary'} too much over seeds to be ranked")
    # a low ratio in one encoder of a panel may be what the model was optimised for
    suspects = {row.name: row.optimised_for for row in table.rows if row.ranked and row.mark and row.name in leaders}
    parts += [f"{name} looks optimised for {encoder}" for name, encoder in suspects.items()]
    header = dict(table.named)[table.sort].rpartition(" ")[0]
    return f"By {header}, {'; '.join(parts)}."


def _varies(standing: Standing, models: int) -> bool:
    """Whether a row has a high spread over seeds and a rank interval of at least half of the models."""
    return standing.high_spread and (standing.last or 0) - (standing.first or 0) >= models / 2


def _about_leaders(leaders: dict[str, Standing], rows: int, real: bool) -> str:
    """Return a clause about the models that no other is known to beat; ``real``: real samples are in the table."""
    names, one = listed(list(leaders)), len(leaders) == 1
    # an interval of all ranks says nothing
    if rows > 1 and all((standing.first, standing.last) == (1, rows) for standing in leaders.values()):
        return f"{names} cannot be told {'apart' if len(leaders) == rows else 'from the other rows'}"
    # rank 1 is within reach, although real samples are in the table
    as_good = real and all(standing.first == 1 for standing in leaders.values())
    return f"{names} {'leads' if one else 'lead'}{' and cannot be told from real samples' if as_good else ''}"
