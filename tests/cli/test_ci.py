"""Test ``genbench ci``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import refused, run, score_pixels

WORDS = [str(word) for word in score_pixels("digits,split=train", "--name", "a model")[1:]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_writes_the_baseline_and_a_workflow_with_the_same_arguments(folder: Path) -> None:
    outcome = run("ci", "init", *WORDS)
    assert outcome.exit_code == 0, outcome.output
    assert (
        "Next: git add baseline.jsonl .github/workflows/genbench.yml .github/actions/gate/action.yml" in outcome.stdout
    )
    text = Path(".github/workflows/genbench.yml").read_text()
    assert """score: "--samples digits,split=train --reference digits""" in text
    assert "--name 'a model'\"\n" in text
    assert run("gate", "baseline.jsonl", "--against", "baseline.jsonl").exit_code == 0


def test_init_for_gitlab_writes_a_template_to_include(folder: Path) -> None:
    outcome = run("ci", "init", *WORDS, "--host", "gitlab", "--baseline", "ci/base.jsonl")
    assert outcome.exit_code == 0, outcome.output
    assert "include: {local: .gitlab/genbench-gate.yml}" in outcome.stdout
    assert 'GENBENCH_BASELINE: "ci/base.jsonl"' in Path(".gitlab/genbench-gate.yml").read_text()
    assert not Path(".github").exists()


def test_init_replaces_no_file_and_says_so_before_it_scores(folder: Path) -> None:
    Path("baseline.jsonl").write_text("mine")
    message = refused("ci", "init", *WORDS)
    assert "baseline.jsonl exists already and is not replaced; remove it first" in message
    assert [path.name for path in folder.iterdir()] == ["baseline.jsonl"]
    assert Path("baseline.jsonl").read_text() == "mine"


def test_init_writes_nothing_for_a_model_that_cannot_be_scored(folder: Path) -> None:
    assert "nowhere" in refused("ci", "init", "--samples", "nowhere/", "--reference", "digits")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("option", ["--to=x.jsonl", "--json"])
def test_init_refuses_options_that_say_where_the_result_goes(folder: Path, option: str) -> None:
    assert "`ci init` itself writes the result" in refused("ci", "init", *WORDS, option, code=2)


def test_init_refuses_a_baseline_that_the_gate_refuses_and_leaves_no_file(folder: Path) -> None:
    words = ("--samples", "digits,split=train", "--reference", "digits,split=test", "--features", "pixels,size=2")
    outcome = run("ci", "init", *words, "--metrics", "fd")
    assert outcome.exit_code == 2
    assert "is not clearly above 0; give a number in the unit of the score" in outcome.stderr
    assert not list(folder.iterdir())
    assert run("ci", "init", *words, "--metrics", "fd", "--max-increase", "1 units").exit_code == 0
    assert (
        """gate: "--undecided pass --max-increase '1 units'"\n""" in Path(".github/workflows/genbench.yml").read_text()
    )
