"""Test the names of samples: data sets, paths with any characters, and names that mean both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.commands import refused, run, score_pixels


def test_a_missing_path_without_a_slash_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nowhere: no such file or folder" in refused(*score_pixels("nowhere"))


def test_the_nearest_data_set_is_suggested_for_a_mistyped_one() -> None:
    assert "did you mean 'digits'?" in refused(*score_pixels("digts"), code=2)


def test_a_name_of_both_a_folder_and_a_data_set_is_ambiguous(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.rename(images.with_name("digits"))
    monkeypatch.chdir(images.parent)
    message = refused("inspect", "digits", code=2)
    assert "./digits" in message
    assert "digits,split=" in message
    assert "digits: 20 samples" in run("inspect", "./digits").stdout
    assert "1,797 samples" in run("inspect", "digits,split=all").stdout


def test_a_folder_with_the_name_of_a_reference_does_not_change_a_benchmark(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.rename(images.with_name("digits"))
    monkeypatch.chdir(images.parent)
    outcome = run("score", "--samples", "digits,split=train", "--benchmark", "digits")
    assert outcome.exit_code == 0, outcome.output
    assert "against digits,split=test: 899 samples" in outcome.stdout


def test_a_folder_with_the_name_of_a_source_that_needs_an_object_is_a_folder(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.rename(images.with_name("dataset"))
    monkeypatch.chdir(images.parent)
    assert "dataset: 20 samples" in run("inspect", "dataset").stdout


def test_a_source_that_needs_an_object_cannot_be_named() -> None:
    assert "There is no 'array' here" in refused("inspect", "array", code=2)


def test_a_path_object_is_never_the_name_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genbench.errors import InputError
    from genbench.plugs.opening import open_subject

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="digits: no such file or folder"):
        open_subject(Path("digits"))


def test_the_home_folder_is_expanded_in_every_path(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    outcome = run("stats", "~/images", "--features", "pixels,size=8", "--out", "~/s.npz")
    assert outcome.exit_code == 0, outcome.output
    outcome = run("score", "--samples", "~/images", "--reference", "~/s.npz", "--features", "pixels,size=8",
                "--metrics", "fd", "--to", "~/r.jsonl")  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    assert (tmp_path / "r.jsonl").is_file()
    assert "~" not in refused("score", "--samples", "~/images", "--weights", "~/s.npz")


@pytest.mark.parametrize(
    "name", ["sp ace", "com,ma", "eq=ual,x=1", "\u00fc\u00f1\u00ed", "new\nline", "co:lon", "-dash", "[x]"]
)
def test_a_folder_may_have_any_name(images: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images.rename(images.with_name(name))
    monkeypatch.chdir(images.parent)
    assert run("inspect", "--", name).exit_code == 0
    assert run("inspect", f"./{name}").exit_code == 0


def test_a_path_that_is_not_valid_text_can_be_scored_and_stored(images: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    try:
        images.rename(odd)
    except OSError:
        pytest.skip("this file system needs valid text")
    for more in (["--json"], ["--to", tmp_path / "r.jsonl"], []):
        assert run(*score_pixels(odd, *more)).exit_code == 0
