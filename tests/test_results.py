"""A Result and its JSON lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from genbench.errors import InputError
from genbench.plugs.contracts import Score
from genbench.results import Result, SampleSet, read_results
from genbench.scoring.evaluate_metrics import entry

FID = Score("fid", 3.5, 0.1, "lower", key="frechet_inception_distance")
KID = Score("kid_subsets", 0.01, None, "lower", {"std": 0.002}, "kernel_inception_distance_mean")


def result(*entries: object) -> Result:
    return Result(
        name="a",
        scores=entries,  # type: ignore[arg-type]
        generated=SampleSet("a", 10, "abc"),
        reference=SampleSet("b", None, ""),
        benchmark=None,
        metrics=("FrechetDistance()",),
        extractors={"digits": "digits@1"},
        seed=0,
        device="cpu",
        batch_size=32,
        created="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        versions={"genbench": "0"},
    )


def test_only_fids_own_inception_may_be_called_fid() -> None:
    assert entry(FID, "inception", canonical=True).name == "fid"
    other = entry(FID, "digits", canonical=False)
    assert (other.name, other.key) == ("fd@digits", "frechet_distance@digits")


def test_values_hold_every_number_under_torch_fidelitys_names() -> None:
    values = result(entry(FID, "inception", canonical=True), entry(KID, "inception", canonical=True)).values
    assert values == {
        "frechet_inception_distance": 3.5,
        "frechet_inception_distance_error": 0.1,
        "kernel_inception_distance_mean": 0.01,
        "kernel_inception_distance_std": 0.002,
    }


def test_a_result_reads_back_as_it_was_written(tmp_path: Path) -> None:
    first = result(entry(FID, "digits", canonical=False))
    second = replace(first, name="b", warnings=("few samples",))
    for one in (first, second):
        one.append(tmp_path / "results.jsonl")
    assert read_results(tmp_path / "results.jsonl") == [first, second]


def test_json_has_no_nan() -> None:
    line = result(entry(FID._replace(value=float("nan"), error=float("inf")), "x", canonical=False)).to_json()
    assert json.loads(line)["scores"][0]["value"] is None


def test_a_line_that_is_no_result_is_named(tmp_path: Path) -> None:
    result(entry(FID, "digits", canonical=False)).append(tmp_path / "results.jsonl")
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(InputError, match=r"results.jsonl, line 2 is not a result"):
        read_results(tmp_path / "results.jsonl")


def test_a_score_is_found_by_either_name() -> None:
    one = result(entry(FID, "digits", canonical=False))
    assert one["fd@digits"].value == one["frechet_distance@digits"].value == 3.5
    with pytest.raises(KeyError, match="this result has fd@digits"):
        one["fid"]
