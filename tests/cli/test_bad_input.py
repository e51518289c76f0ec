"""Test bad samples: each is reported in one sentence with the name of the file and the remedy."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import refused, run, score_pixels


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty is an empty folder; expected images" in refused(*score_pixels(tmp_path / "empty"))


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    assert "no such file or folder" in refused(*score_pixels(tmp_path / "nowhere"))


def test_the_contents_of_a_folder_without_images_are_listed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert ".txt 1" in refused(*score_pixels(tmp_path))


def test_all_corrupt_images_are_named_and_can_be_left_out(images: Path) -> None:
    whole = (images / "3.png").read_bytes()
    (images / "3.png").write_bytes(whole[: len(whole) // 2])
    (images / "15.png").write_text("not an image at all")
    (images / "17.png").write_bytes(b"")
    message = refused(*score_pixels(images))
    assert all(name in message for name in ("3.png", "15.png", "17.png", "--skip-corrupt"))
    outcome = run(*score_pixels(images, "--skip-corrupt"))
    assert outcome.exit_code == 0, outcome.output
    assert "3 samples" in outcome.stderr or "(3 left out" in outcome.stdout
    assert "3.png" in run("inspect", images).stdout


def test_a_truncated_jpeg_is_named(images: Path, tmp_path: Path) -> None:
    Image.open(images / "0.png").save(images / "cut.jpg", quality=95)
    (images / "cut.jpg").write_bytes((images / "cut.jpg").read_bytes()[:300])
    assert "cut.jpg" in refused(*score_pixels(images))


def test_a_decompression_bomb_is_refused(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (20000, 20000)).save(images / "bomb.png")
    message = refused(*score_pixels(images))
    assert "bomb.png" in message
    assert "decompression bomb" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_an_unreadable_file_is_named(images: Path) -> None:
    (images / "4.png").chmod(0)
    assert "4.png" in refused(*score_pixels(images))


def test_one_image_is_too_few_for_fd(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "one" / "a.png")
    message = refused("score", "--samples", tmp_path / "one", "--reference", "digits", "--features", "pixels,size=8",
                   "--metrics", "fd")  # fmt: skip
    assert "2" in message


@pytest.mark.parametrize("metrics", ["is", "fd", "kid", "pr", "prdc", "mind", "swd", "ndb", "modes"])
def test_one_image_gives_a_number_or_one_sentence(tmp_path: Path, metrics: str) -> None:
    (tmp_path / "one").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "one" / "a.png")
    outcome = run("score", "--samples", tmp_path / "one", "--reference", "digits", "--features", "digits",
                "--metrics", metrics)  # fmt: skip
    assert outcome.exit_code in (0, 1), outcome.output
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit)
    assert "raised" not in outcome.stderr, outcome.stderr


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.full((4, 8, 8, 3), np.nan, np.float32), "NaN"),
        (np.zeros((4, 8, 8, 3), np.float32), "range"),
        (np.zeros((4, 8, 8, 2), np.uint8), "channel"),
        (np.zeros((4, 8, 8, 3), np.int32), "uint8"),
        (np.full((4, 2), np.nan), "NaN"),
        (np.zeros(4), "expected"),
    ],
)
def test_a_bad_array_file_is_named(tmp_path: Path, array: np.ndarray, complaint: str) -> None:
    np.save(tmp_path / "bad.npy", array)
    message = refused(*score_pixels(tmp_path / "bad.npy"))
    assert "bad.npy" in message
    assert complaint in message


def test_the_arrays_of_an_npz_without_arr_0_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 8, 8, 3), np.uint8))
    message = refused(*score_pixels(tmp_path / "x.npz"))
    assert "arr_0" in message
    assert "images" in message


class Payload:
    """An object whose unpickling writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", ["ref.pkl", "ref.npz", "ref.npy", "weights.pth", "ref.safetensors"])
def test_the_code_in_a_malicious_pickle_is_not_run(images: Path, tmp_path: Path, name: str) -> None:
    target, owned = tmp_path / name, tmp_path / "owned"
    if name.endswith("npz"):
        np.savez(target, arr_0=np.array([Payload(owned)], dtype=object), allow_pickle=True)
    elif name.endswith("npy"):
        np.save(target, np.array([Payload(owned)], dtype=object), allow_pickle=True)
    else:
        target.write_bytes(pickle.dumps(Payload(owned)))
    if name == "weights.pth":
        message = refused("score", "--samples", images, "--weights", target)
    else:
        message = refused("score", "--samples", images, "--reference", target, "--features", "pixels")
    assert name in message
    assert not owned.exists()


def test_a_zip_with_paths_outside_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "climb.zip", "w") as archive:
        archive.writestr("../../evil.png", b"x")
    assert "climb.zip" in refused(*score_pixels(tmp_path / "climb.zip"))


def test_a_full_disk_is_told_and_the_score_comes_without_the_store(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.numpy.save_file", full)
        outcome = run("score", "--samples", images, "--reference", "digits", "--features", "pixels,size=4", "--metrics",
                      "swd", "--json")  # fmt: skip
    assert outcome.exit_code == 0
    assert "No space left on device" in outcome.stderr
    whole = run(*score_pixels(images), "--json")
    assert json.loads(outcome.stdout)["generated"] == json.loads(whole.stdout)["generated"]


@pytest.mark.parametrize(
    "words",
    [
        ("score", "--samples", "digits", "--reference", "digits", "--to"),
        ("gate", "--sampler", "noise", "--against", "digits", "--to"),
        ("gate", "/dev/null", "--against", "digits", "--junit"),
        ("run", "digits", "--out"),
        ("stats", "digits", "--out"),
        ("sample", "dcgan", "--count", "1", "--out"),
        ("train", "dcgan", "--benchmark", "digits", "--out"),
        ("report",),
        ("table",),
    ],
)
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_path_is_refused_before_the_work(
    words: tuple[str, ...], empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is empty" in refused(*words, empty, code=2)
    assert list(tmp_path.iterdir()) == []
