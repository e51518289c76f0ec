"""Comparing results: differences with their errors, ranks with ties, and what may be compared at all."""

from __future__ import annotations

from genbench.comparison.differences import Difference, difference
from genbench.comparison.guard import differing_fields, require_comparable
from genbench.comparison.standings import Standing, leaderboard

__all__ = ["Difference", "Standing", "difference", "differing_fields", "leaderboard", "require_comparable"]
