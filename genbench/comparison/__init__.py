"""Comparing results: differences with their errors, ranks with ties, and what may be compared at all."""

from __future__ import annotations

from genbench.comparison.differences import Difference, difference
from genbench.comparison.gating import Check, gate
from genbench.comparison.guard import differing_fields, require_comparable
from genbench.comparison.pairs import Comparison, compare
from genbench.comparison.standings import Standing, leaderboard

__all__ = [
    "Check",
    "Comparison",
    "Difference",
    "Standing",
    "compare",
    "difference",
    "differing_fields",
    "gate",
    "leaderboard",
    "require_comparable",
]
