"""genbench gives the exact answers of the conformance set, and the set is what its program makes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conformance.make_set import FOLDER, write
from tests.conformance.tools import answers, genbench
from tests.studies.conformance import cell, deviation

CASES = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"]


@cache
def of_genbench() -> dict[str, Any]:
    return dict(answers(genbench()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_genbench_gives_the_exact_answer(case: dict[str, Any]) -> None:
    gap, conforms = deviation(case, of_genbench()[case["name"]])
    assert conforms, gap


def test_the_set_is_what_its_program_makes(tmp_path: Path) -> None:
    write(tmp_path)
    made, kept = (json.loads((folder / "cases.json").read_text(encoding="utf-8")) for folder in (tmp_path, FOLDER))
    # the last digits of a rotation depend on the version of LAPACK
    for one, other in zip(made["cases"], kept["cases"], strict=True):
        assert one["expected"] == pytest.approx(other["expected"], rel=1e-9, abs=1e-9)
        assert {key: one[key] for key in one if key != "expected"} == {
            key: other[key] for key in other if key != "expected"
        }
    with np.load(tmp_path / "arrays.npz") as first, np.load(FOLDER / "arrays.npz") as second:
        assert first.files == second.files
        for key in first.files:
            assert first[key] == pytest.approx(second[key], rel=1e-6, abs=1e-6)


def test_a_wrong_answer_is_marked() -> None:
    case = CASES[0]
    right, wrong = ({"answers": {case["name"]: value}} for value in (case["expected"], case["expected"] + 1))
    assert "✗" not in cell(case, right)
    assert "✗" in cell(case, wrong)
    assert cell(case, {"answers": {}}) == ""
