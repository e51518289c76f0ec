"""The keywords of the public functions are typed, and their names and types are those of the options."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import genbench
from genbench.errors import UsageError
from genbench.scoring.options import CompareOptions, Options, ScoreOptions, WatchOptions

TYPES = {field.name: field.type for field in fields(Options)}


def annotations(keywords: type) -> dict[str, object]:
    """Return the annotations of a TypedDict as text, inherited ones included."""
    return {name: getattr(kind, "__forward_arg__", kind) for name, kind in keywords.__annotations__.items()}


@pytest.mark.parametrize(
    ("keywords", "others"),
    [
        (ScoreOptions, set()),
        (
            WatchOptions,
            {"reference", "cache", "panel", "panel_metric", "floor"},
        ),  # one extractor, and nothing is written to disk
        (CompareOptions, {"metrics"}),  # an argument of its own
    ],
)
def test_the_typed_keywords_are_the_options(keywords: type, others: set[str]) -> None:
    typed = annotations(keywords)
    typed.pop("benchmark", None)
    assert typed == {name: kind for name, kind in TYPES.items() if name not in others}


def test_the_old_name_of_resizes_works_with_a_notice() -> None:
    with pytest.warns(FutureWarning, match="protocols is now called resizes"):
        assert Options.of({"protocols": "tf,clean"}).resizes == "tf,clean"


def test_a_wrong_name_gets_a_suggestion() -> None:
    with pytest.raises(genbench.UsageError, match="no option 'metric', did you mean 'metrics'"):
        genbench.score("digits", metric="fd")  # type: ignore[call-arg]


@pytest.mark.slow
def test_mypy_rejects_a_wrong_name_of_an_option(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    good = ['genbench.score("out", count=9)', 'genbench.compare("a", seed=1)', 'genbench.run("digits", repeats=1)']
    wrong = ['genbench.score("out", counts=9)', 'genbench.compare("a", seeds=1)', 'genbench.run("digits", repeat=1)']
    mistyped = 'genbench.score("out", count="9")'
    (tmp_path / "calls.py").write_text("\n".join(["import genbench", *good, *wrong, mistyped]))
    words = [sys.executable, "-m", "mypy", "--config-file", "", "--cache-dir", str(tmp_path / "cache"), "calls.py"]
    # mypy does not follow the import hook of an editable installation
    environment = {**os.environ, "MYPYPATH": str(Path(genbench.__file__).parents[1])}
    answer = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False).stdout
    lines = [int(line.split(":")[1]) for line in answer.splitlines() if line.startswith("calls.py") and "error" in line]
    assert sorted(set(lines)) == [5, 6, 7, 8], answer


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None])
def test_a_seed_that_is_no_whole_number_from_0_is_refused(seed: object) -> None:
    with pytest.raises(UsageError, match=f"The seed is {seed!r}; it must be a whole number from 0"):
        Options.of({"seed": seed})


def test_metrics_may_be_a_list_of_their_names() -> None:
    assert Options.of({"metrics": ["fd", "kid,subset_size=10"]}).metrics == "fd,kid,subset_size=10"
