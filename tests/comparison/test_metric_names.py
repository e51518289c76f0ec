"""The scores that --metrics, --metric and --sort name: short names, full names, and specs with options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import genbench
from genbench.comparison.group_by_subject import metric_name
from genbench.errors import UsageError
from genbench.results import Result
from genbench.scoring.compare import compare
from tests.cli.commands import run

REFERENCE = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 3), np.uint8)


def scored(metrics: str, *, features: str = "pixels,size=4", name: str = "a", seed: int = 1) -> Result:
    images = np.random.default_rng(seed).integers(0, 200, (80, 8, 8, 3), np.uint8)
    return genbench.score(
        images, reference=REFERENCE, features=features, metrics=metrics, name=name, progress=False, cache=False
    )


@pytest.fixture(scope="module")
def results() -> list[Result]:
    metrics = "fd,kid,degree=2,kid@spectrum,prdc,k=3,prdc,k=5"
    return [scored(metrics, name=name, seed=seed) for seed, name in enumerate("ab", 1)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("fd@pixels,size=4", "fd@pixels,size=4"),
        ("fd,size=4", "fd@pixels,size=4"),
        ("density,k=3", "density_k3@pixels,size=4"),
        # both have the name kid, and the record says which of them had this degree
        ("kid,degree=2", "kd@pixels,size=4"),
        ("kid,degree=3", "kd@spectrum"),
        ("kid@spectrum,degree=3", "kd@spectrum"),
    ],
)
def test_a_spec_names_the_score_that_was_computed_with_its_options(
    results: Sequence[Result], asked: str, found: str
) -> None:
    assert metric_name(results, asked) == found


@pytest.mark.parametrize(
    "asked", ["kid,degree=5", "kid@spectrum,degree=2", "fd,components=64", "fid,view=logits", "density,k=7", "fd,x=1"]
)
def test_options_that_nothing_was_scored_with_are_refused(results: Sequence[Result], asked: str) -> None:
    with pytest.raises(UsageError, match=f"These results have no metric '{asked}'"):
        metric_name(results, asked)


def test_a_view_is_found_by_the_spec_that_computes_it() -> None:
    result = scored("fd", features="pixels")
    entries = [replace(result.scores[0], name=f"fd@inception,view={view}") for view in (64, 768)]
    with_views = replace(result, scores=(*result.scores, *entries))
    assert metric_name([with_views], "fid,view=768") == "fd@inception,view=768"
    assert metric_name([with_views], "fd@inception,view=64") == "fd@inception,view=64"


def test_compare_splits_a_list_as_score_does(results: Sequence[Result]) -> None:
    comparison = compare(*results, metrics="kid,degree=2,density,k=3,fd@pixels,size=4")
    assert [each.metric for each in comparison.differences] == [
        "kd@pixels,size=4", "density_k3@pixels,size=4", "fd@pixels,size=4",
    ]  # fmt: skip


def test_every_command_takes_the_name_of_a_score_of_an_extractor_with_options(
    results: Sequence[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for result in results:
        result.append(tmp_path / "all.jsonl")
        result.append(tmp_path / f"{result.name}.jsonl")
    name = "kd@pixels,size=4"
    for words in (
        ("compare", "a.jsonl", "b.jsonl", "--metrics", f"{name},fd"),
        ("gate", "a.jsonl", "--against", "b.jsonl", "--metric", f"{name},fd", "--undecided", "pass"),
        ("table", "all.jsonl", "--sort", name),
        ("plan", "all.jsonl", "--metric", name),
    ):
        printed = run(*words)
        assert printed.exit_code == 0 or words[0] == "gate", printed.stderr
        # long headers of tables are folded
        assert name in "".join(printed.stdout.split()) or words[0] == "table"
