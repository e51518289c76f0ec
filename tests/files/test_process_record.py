"""What a result records of its process: the command line, the commit of the folder, and the software."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import genbench
from genbench.files.process_record import command_line, commit, software_used


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/usr/bin/genbench", "score", "a b", "--count", "9"], "genbench score 'a b' --count 9"),
        (["genbench.exe", "list"], "genbench list"),
        (["/site-packages/genbench/__main__.py", "list"], "genbench list"),
        (["/usr/bin/pytest", "-q"], ""),
        (["other/__main__.py"], ""),
        ([], ""),
    ],
)
def test_the_command_line_is_that_of_a_command_of_genbench(
    words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", words)
    assert command_line() == expected


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_says_whether_files_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(folder: Path, *words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(["git", "-C", folder, *who, *words], capture_output=True, text=True, check=True).stdout

    # each folder is asked about once in a process
    for name in ("clean", "changed"):
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "-q")
        (folder / "model.py").write_text("1")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", "Add a model")
        git(folder, "tag", "v1")
        (folder / "model.py").write_text("1" if name == "clean" else "2")
        monkeypatch.chdir(folder)
        first = git(folder, "rev-parse", "HEAD")[:12]
        assert commit() == first + ("" if name == "clean" else "-dirty")


def test_there_is_no_commit_outside_of_git_and_in_a_folder_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit() == ""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    if os.name != "nt":
        gone.rmdir()
        assert commit() == ""
    monkeypatch.chdir(tmp_path)


def test_a_result_has_the_command_line_and_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["genbench", "score", "digits"])
    result = genbench.score(
        "digits,split=test", reference="digits,split=train", features="pixels,size=2", metrics="swd", progress=False
    )
    assert (result.command, result.commit) == ("genbench score digits", commit())
    assert result.versions == software_used()
