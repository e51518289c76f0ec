"""The table of cases for the self-test: every case holds, and every exact id is in it."""

from __future__ import annotations

import math

from genbench.theory.cases import theory_cases


def test_every_case_holds() -> None:
    failed = [
        (identifier, case)
        for identifier, case, expected, tolerance, measure in theory_cases()
        if not abs(measure() - expected) <= tolerance
    ]
    assert not failed


def test_the_table_has_every_exact_id_of_the_theory() -> None:
    assert {identifier for identifier, *_ in theory_cases()} >= {"A01", "A02", "A25", "A26", "A27", "A30", "A42"}


def test_cases_fit_the_table() -> None:
    rows = list(theory_cases())
    assert len({case for _, case, *_ in rows}) == len(rows)
    assert all(len(case) <= 40 for _, case, *_ in rows)
    assert all(math.isfinite(expected) for _, _, expected, *_ in rows)
