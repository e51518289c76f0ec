"""The committed reports/theory.md is what its script writes; the sections with training are left out."""

from __future__ import annotations

import pytest

from genbench.theory import cases
from tests.studies import theory_page

PAGE = theory_page.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "topics",
    [
        (cases.divergence_cases, cases.parallel_line_cases),
        (cases.discriminator_cases,),
        (cases.packing_cases,),
        (cases.game_cases,),
        (cases.two_time_scale_cases,),
        (cases.likelihood_cases,),
        (cases.gradient_cases,),
    ],
    ids=lambda topics: topics[0].__name__,
)
def test_the_exact_tables_are_on_the_page(topics: tuple[theory_page.Topic, ...]) -> None:
    assert theory_page.exact(*topics) in PAGE


def test_the_page_has_the_text_of_its_script() -> None:
    assert PAGE.startswith(theory_page.HEAD)
    assert theory_page.packing() in PAGE
    assert theory_page.gradients() in PAGE


def test_a_number_below_1e_9_is_written_as_0() -> None:
    assert theory_page.number(3e-13) == "0"
    assert theory_page.number(-1.163451) == "-1.1635"
