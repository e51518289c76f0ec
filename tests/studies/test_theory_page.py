"""The committed page of the theory is what its script would write, as far as that takes no training."""

from __future__ import annotations

import pytest

from tests.studies import theory_page

PAGE = theory_page.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("identifiers", [("A01", "A02"), ("",), ("A42",), ("A25", "A26"), ("A27", "A30")])
def test_the_exact_tables_are_on_the_page(identifiers: tuple[str, ...]) -> None:
    assert theory_page.exact(*identifiers) in PAGE


def test_the_page_has_the_text_of_its_script() -> None:
    assert PAGE.startswith(theory_page.HEAD)
    assert theory_page.packing() in PAGE


def test_a_number_below_rounding_is_shown_as_0() -> None:
    assert theory_page.number(3e-13) == "0"
    assert theory_page.number(-1.163451) == "-1.1635"
