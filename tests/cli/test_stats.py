"""``genbench stats`` writes statistics, and lists, adds and downloads those by name."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.commands import refused, run
from tests.helpers.file_server import FileServer, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server of statistics of images of one pixel."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    file = io.BytesIO()
    np.savez(file, mu=np.full(3, 0.5), sigma=np.eye(3) / 12)
    with serving({"/x.npz": file.getvalue()}) as server:
        yield server


def test_statistics_are_written_and_read_back(images: Path, tmp_path: Path) -> None:
    outcome = run("stats", images, "--features", "pixels,size=8", "--out", tmp_path / "s.npz")
    assert outcome.exit_code == 0, outcome.output
    outcome = run("score", "--samples", images, "--reference", tmp_path / "s.npz", "--features", "pixels,size=8",
                "--metrics", "fd", "--json")  # fmt: skip
    assert json.loads(outcome.stdout)["scores"][0]["value"] == pytest.approx(0, abs=1e-6)


def test_make_may_be_written_or_left_out(images: Path, tmp_path: Path) -> None:
    written = []
    beginnings: list[list[object]] = [[images], ["make", images], []]
    for number, words in enumerate(beginnings):
        # an option may come first
        out = tmp_path / f"{number}.npz"
        outcome = run("stats", *words, "--out", out, "--features", "pixels,size=8", *([] if words else [images]))
        assert outcome.exit_code == 0, outcome.output
        written.append(out.read_bytes())
    assert written[0] == written[1] == written[2]


def test_a_folder_with_the_name_of_a_command_is_given_as_a_path(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images.rename(tmp_path / "list")
    assert run("stats", "./list", "--features", "pixels,size=8", "--out", "s.npz").exit_code == 0
    assert (tmp_path / "s.npz").is_file()


def test_a_mistyped_command_gets_a_suggestion() -> None:
    assert "no command of stats is called 'lst', did you mean 'list'?" in refused("stats", "lst", code=2)


def test_the_list_fits_a_terminal_and_shows_what_was_added(server: FileServer) -> None:
    assert run("stats", "add", "faces", server.url("/x.npz"), "--extractor", "pixels,size=8").exit_code == 0
    outcome = run("stats", "list")
    assert outcome.exit_code == 0
    lines = outcome.stdout.splitlines()
    assert max(map(len, lines)) <= 90
    assert lines[-1].split() == ["faces", "pixels,size=8", "-", "-", "-"]
    row = next(line for line in lines if line.startswith("jit-imagenet256")).split()
    assert row == ["jit-imagenet256", "inception", "1,281,167", "equal", "41204672"]


def test_an_added_file_of_genbench_brings_its_extractor(images: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.npz"
    assert run("stats", images, "--features", "pixels,size=4", "--out", file).exit_code == 0
    assert run("stats", "add", "mine", file).exit_code == 0
    assert "extractor: pixels,size=4" in run("stats", "list", "mine").stdout
    # no --features, and no network
    assert "fd@pixels,size=4" in run("score", "--samples", images, "--reference", "stats:mine").stdout


def test_the_details_of_one_name_are_shown() -> None:
    outcome = run("stats", "list", "adm-imagenet256")
    for text in ("1,281,167", "random", "2,037,122,530 bytes", "MIT", "VIRTUAL_imagenet256_labeled.npz", "https://"):
        assert text in outcome.stdout


def test_an_added_name_is_pulled_and_scored(images: Path, server: FileServer) -> None:
    add = run("stats", "add", "faces", server.url("/x.npz"), "--extractor", "pixels,size=1", "--labels", "equal")
    assert add.exit_code == 0, add.output
    pulled = run("stats", "pull", "faces")
    assert pulled.exit_code == 0, pulled.output
    assert hashlib.sha256(server.contents["/x.npz"]).hexdigest() in pulled.stdout
    assert "trusted on first use" in pulled.stderr
    outcome = run("score", "--samples", images, "--reference", "stats:faces", "--metrics", "fd", "--json")
    assert outcome.exit_code == 0, outcome.output
    result = json.loads(outcome.stdout)
    assert (result["reference"]["name"], result["reference"]["labels"]) == ("stats:faces", "equal")
    assert result["scores"][0]["value"] > 0
    assert server.requests == ["/x.npz"]


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["pull", "nothing"], 2, "No statistics are called 'nothing'"),
        (["list", "adm-imagenet25"], 2, "did you mean 'adm-imagenet256'"),
        (["add", "adm-imagenet256", "https://host/x.npz"], 2, "name of published statistics"),
        (["add", "mine", "nowhere.npz"], 1, "nowhere.npz is not a file"),
        (["add", "mine", "https://host/x.npz", "--sha256", "123"], 2, "64 hex digits"),
        (["add", "mine", "https://host/x.npz", "--extractor", "incepton"], 2, "did you mean 'inception'"),
        (["add", "mine", "ftp://host/x.npz"], 1, "starts with neither https:// nor http://"),
    ],
)
def test_mistakes_are_told_in_one_sentence(words: list[str], code: int, expected: str) -> None:
    assert expected in refused("stats", *words, code=code)


@pytest.mark.parametrize(
    "words", [["score", "--samples", "stats:adm-imagenet256"], ["inspect", "stats:adm-imagenet256"]]
)
def test_statistics_are_no_samples(words: list[str]) -> None:
    text = refused(*words, code=2)
    assert "stats:adm-imagenet256 holds statistics and no samples" in text
