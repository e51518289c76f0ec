"""Test ``genbench ci``."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from genbench.cli import ci
from genbench.cli.ci import workflow_files
from genbench.errors import InputError, UsageError
from tests.cli.commands import refused, run, score_pixels

WORDS = [str(word) for word in score_pixels("digits,split=train", "--name", "a model")[1:]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_writes_the_baseline_and_a_workflow_with_the_same_arguments(folder: Path) -> None:
    outcome = run("ci", "init", *WORDS)
    assert outcome.exit_code == 0, outcome.output
    shown = outcome.stdout.replace("\\\n    ", "")
    assert "git add baseline.jsonl .github/workflows/genbench.yml .github/actions/gate/action.yml\n" in shown
    assert max(map(len, outcome.stdout.splitlines())) <= 80
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


def test_init_names_all_files_that_exist(folder: Path) -> None:
    Path("baseline.jsonl").touch()
    Path(".github/workflows").mkdir(parents=True)
    Path(".github/workflows/genbench.yml").touch()
    message = refused("ci", "init", *WORDS)
    assert "genbench.yml and baseline.jsonl exist already and are not replaced; remove them first" in message


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


def test_init_leaves_no_file_if_a_workflow_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = ci.write_output

    def failing(path: Path, text: str, mode: str) -> None:
        write(path, text, mode)
        if path.name == "action.yml":
            raise InputError(f"{path} cannot be written (no space).")

    monkeypatch.setattr(ci, "write_output", failing)
    assert "no space" in run("ci", "init", *WORDS).stderr
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert run("ci", "init", *WORDS).exit_code == 0


def test_init_refuses_a_folder_that_is_a_file_before_it_scores(folder: Path) -> None:
    Path(".github").write_text("mine")
    assert ".github does not allow it" in refused("ci", "init", *WORDS)
    assert [path.name for path in folder.iterdir()] == [".github"]


@pytest.mark.parametrize("place", ["../up.jsonl", "ci/../../up.jsonl", "/up.jsonl"])
def test_init_refuses_a_baseline_outside_of_the_repository(folder: Path, place: str) -> None:
    assert f"{place} is outside of this folder" in refused("ci", "init", *WORDS, "--baseline", place)
    assert not list(folder.iterdir())


def test_init_writes_an_absolute_path_inside_as_a_relative_one(folder: Path) -> None:
    assert run("ci", "init", *WORDS, "--baseline", folder / "ci" / "base.jsonl").exit_code == 0
    assert 'baseline: "ci/base.jsonl"' in Path(".github/workflows/genbench.yml").read_text()


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_arguments_like_the_marks_of_a_template_reach_the_workflow(host: str) -> None:
    yaml = pytest.importorskip("yaml")
    score = ["out/", "--name", 'a {{gate}} "b" {{baseline}} {{score}}']
    text = next(iter(workflow_files(host, score, Path("b.jsonl")).values()))
    found = yaml.safe_load(text)
    if host == "github":
        written = found["jobs"]["gate"]["steps"][-1]["with"]["score"]
    else:
        written = found["genbench-gate"]["variables"]["GENBENCH_SCORE"]
    assert shlex.split(written) == score


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("github", "a ${{ secrets.KEY }}"),
        ("gitlab", "a $HOME"),
        ("gitlab", "${HOME}"),
        ("gitlab", "%PATH%"),
        ("github", "two\nlines"),
        ("gitlab", "\udcff"),
    ],
)
def test_what_a_host_would_change_is_refused(host: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"would not reach genbench unchanged on {host}"):
        workflow_files(host, ["out/", "--name", name], Path("b.jsonl"))


def test_what_only_the_other_host_would_change_is_taken() -> None:
    assert workflow_files("github", ["--name", "a $HOME"], Path("b.jsonl"))
    assert workflow_files("gitlab", ["--name", "a {{ b }}"], Path("b.jsonl"), ["--max-increase", "2%"])
