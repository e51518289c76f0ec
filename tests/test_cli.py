"""The command line, as a person meets it: data on stdout, the rest on stderr, one sentence for every mistake."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from genbench.cli import main


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: object, code: int = 1) -> str:
    """Run a command that must fail with one sentence and no traceback; return what it said."""
    found = run(*words)
    assert found.exit_code == code, found.output
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    return found.stderr


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


def score_pixels(path: object, *more: object) -> list[object]:
    return [
        "score",
        "--samples",
        path,
        "--reference",
        "digits",
        "--features",
        "pixels,size=8",
        "--metrics",
        "swd",
        *more,
    ]


def test_the_table_goes_to_stdout_and_nothing_else_does(images: Path) -> None:
    found = run(*score_pixels(images))
    assert found.exit_code == 0, found.output
    assert "swd@pixels" in found.stdout


def test_json_is_one_object_with_every_field(images: Path) -> None:
    from genbench.results import Result as Record

    data = json.loads(run(*score_pixels(images, "--json")).stdout)
    assert set(Record.__dataclass_fields__) <= set(data)
    assert data["values"]["sliced_wasserstein_distance@pixels,size=8"] > 0 or data["values"]


def test_results_are_added_to_a_file(images: Path, tmp_path: Path) -> None:
    from genbench.results import read_results

    for name in ("a", "b"):
        assert run(*score_pixels(images, "--to", tmp_path / "r.jsonl", "--name", name)).exit_code == 0
    assert [result.name for result in read_results(tmp_path / "r.jsonl")] == ["a", "b"]


def test_statistics_are_written_and_read_back(images: Path, tmp_path: Path) -> None:
    found = run("stats", images, "--features", "pixels,size=8", "--out", tmp_path / "s.npz")
    assert found.exit_code == 0, found.output
    found = run("score", "--samples", images, "--reference", tmp_path / "s.npz", "--features", "pixels,size=8",
                "--metrics", "fd", "--json")  # fmt: skip
    assert json.loads(found.stdout)["scores"][0]["value"] == pytest.approx(0, abs=1e-6)


def test_list_names_every_kind() -> None:
    text = run("list").stdout
    assert all(kind in text for kind in ("benchmarks:", "metrics:", "extractors:", "sources:", "samplers:"))
    assert "digits" in run("list", "benchmark").stdout


def test_the_cache_is_listed_measured_and_cleared(images: Path) -> None:
    run(*score_pixels(images))
    assert "pixels,size=8" in run("cache", "list").stdout
    assert "B  " in run("cache", "size").stdout
    assert run("cache", "clear", "--yes").exit_code == 0
    assert run("cache", "list").stdout == ""


def test_no_cache_writes_nothing(images: Path) -> None:
    assert run(*score_pixels(images, "--no-cache")).exit_code == 0
    assert not list(Path(os.environ["GENBENCH_CACHE"]).rglob("*.safetensors"))


def test_selftest_passes() -> None:
    found = run("selftest")
    assert found.exit_code == 0, found.output
    assert "FAIL" not in found.stdout


@pytest.mark.parametrize("command", ["scor", "benchmarc"])
def test_a_mistyped_command_is_a_usage_error(command: str) -> None:
    assert f"no command is called {command!r}" in refused(command, code=2)


def test_a_mistyped_option_is_answered_with_the_nearest() -> None:
    assert "--samples" in refused("score", "--sampels", "x", code=2)


def test_a_mistyped_metric_is_answered_with_the_nearest(images: Path) -> None:
    assert "did you mean 'kid'?" in refused("score", "--samples", images, "--metrics", "kidd", code=2)


def test_samples_and_sampler_exclude_each_other() -> None:
    assert "either --samples" in refused("score", code=2)


# ---- bad input: each case is one sentence that names the file or plug and the remedy ----


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty is an empty folder; wanted images" in refused(*score_pixels(tmp_path / "empty"))


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "no such file or folder" in refused(*score_pixels(tmp_path / "nowhere"))


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert ".txt 1" in refused(*score_pixels(tmp_path))


def test_all_corrupt_images_are_named_and_can_be_left_out(images: Path) -> None:
    whole = (images / "3.png").read_bytes()
    (images / "3.png").write_bytes(whole[: len(whole) // 2])
    (images / "15.png").write_text("not an image at all")
    (images / "17.png").write_bytes(b"")
    said = refused(*score_pixels(images))
    assert all(name in said for name in ("3.png", "15.png", "17.png", "--skip-corrupt"))
    found = run(*score_pixels(images, "--skip-corrupt"))
    assert found.exit_code == 0, found.output
    assert "3 samples" in found.stderr or "(3 left out" in found.stdout
    assert "3.png" in run("inspect", images).stdout


def test_a_truncated_jpeg_is_named(images: Path, tmp_path: Path) -> None:
    Image.open(images / "0.png").save(images / "cut.jpg", quality=95)
    (images / "cut.jpg").write_bytes((images / "cut.jpg").read_bytes()[:300])
    assert "cut.jpg" in refused(*score_pixels(images))


def test_a_decompression_bomb_is_refused(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (20000, 20000)).save(images / "bomb.png")
    said = refused(*score_pixels(images))
    assert "bomb.png" in said
    assert "decompression bomb" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_an_unreadable_file_is_named(images: Path) -> None:
    (images / "4.png").chmod(0)
    assert "4.png" in refused(*score_pixels(images))


def test_one_image_is_too_few_for_fd(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "one" / "a.png")
    said = refused("score", "--samples", tmp_path / "one", "--reference", "digits", "--features", "pixels,size=8",
                   "--metrics", "fd")  # fmt: skip
    assert "2" in said


@pytest.mark.parametrize("metrics", ["is", "fd", "kid", "pr", "prdc", "mind", "swd", "ndb", "modes"])
def test_one_image_gives_a_number_or_one_sentence(tmp_path: Path, metrics: str) -> None:
    (tmp_path / "one").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "one" / "a.png")
    found = run("score", "--samples", tmp_path / "one", "--reference", "digits", "--features", "digits",
                "--metrics", metrics)  # fmt: skip
    assert found.exit_code in (0, 1), found.output
    assert found.exception is None or isinstance(found.exception, SystemExit)
    assert "raised" not in found.stderr, found.stderr


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.full((4, 8, 8, 3), np.nan, np.float32), "range"),
        (np.zeros((4, 8, 8, 3), np.float32), "range"),
        (np.zeros((4, 8, 8, 2), np.uint8), "channel"),
        (np.zeros((4, 8, 8, 3), np.int32), "uint8"),
        (np.full((4, 2), np.nan), "NaN"),
        (np.zeros(4), "wanted"),
    ],
)
def test_a_bad_array_file_is_named(tmp_path: Path, array: np.ndarray, complaint: str) -> None:
    np.save(tmp_path / "bad.npy", array)
    said = refused(*score_pixels(tmp_path / "bad.npy"))
    assert "bad.npy" in said
    assert complaint in said


def test_an_npz_without_arr_0_lists_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 8, 8, 3), np.uint8))
    said = refused(*score_pixels(tmp_path / "x.npz"))
    assert "arr_0" in said
    assert "images" in said


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", ["ref.pkl", "ref.npz", "ref.npy", "weights.pth", "ref.safetensors"])
def test_nothing_of_a_malicious_pickle_runs(images: Path, tmp_path: Path, name: str) -> None:
    target, owned = tmp_path / name, tmp_path / "owned"
    if name.endswith("npz"):
        np.savez(target, arr_0=np.array([Payload(owned)], dtype=object), allow_pickle=True)
    elif name.endswith("npy"):
        np.save(target, np.array([Payload(owned)], dtype=object), allow_pickle=True)
    else:
        target.write_bytes(pickle.dumps(Payload(owned)))
    if name == "weights.pth":
        said = refused("score", "--samples", images, "--weights", target)
    else:
        said = refused("score", "--samples", images, "--reference", target, "--features", "pixels")
    assert name in said
    assert not owned.exists()


def test_a_zip_that_climbs_out_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "climb.zip", "w") as archive:
        archive.writestr("../../evil.png", b"x")
    assert "climb.zip" in refused(*score_pixels(tmp_path / "climb.zip"))


def test_a_full_disk_says_so_and_the_store_stays_whole(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*score_pixels(images))

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        said = refused("score", "--samples", images, "--reference", "digits", "--features", "pixels,size=4",
                       "--metrics", "swd")  # fmt: skip
    assert "No space left on device" in said
    assert run(*score_pixels(images)).exit_code == 0


GUEST = """
import numpy as np
def raising(count, seed):
    raise RuntimeError("no such checkpoint")
def short(count, seed):
    return np.zeros((count - 1, 8, 8, 3), np.uint8)
def floats(count, seed):
    return np.zeros((count, 8, 8, 3))
def words(count, seed):
    return "samples"
"""


@pytest.mark.parametrize(
    ("attribute", "complaint"),
    [
        ("raising", "raised RuntimeError: no such checkpoint"),
        ("short", "when asked for 256 samples"),
        ("floats", "range"),
        ("words", "gave"),
        ("rasing", "did you mean 'raising'?"),
    ],
)
def test_a_sampler_that_errs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attribute: str, complaint: str
) -> None:
    (tmp_path / "cli_guest.py").write_text(GUEST)
    monkeypatch.chdir(tmp_path)
    said = refused("score", "--sampler", f"cli_guest:{attribute}", "--benchmark", "digits")
    assert "cli_guest" in said
    assert complaint in said


def test_an_interrupt_keeps_what_is_done_and_the_next_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "slow_guest.py").write_text(
        "import time, torch\n"
        "class Slow:\n"
        "    name = identity = 'slow'\n"
        "    delay = 0.02\n"
        "    def __call__(self, data):\n"
        "        time.sleep(self.delay)\n"
        "        return {'embedding': data.float().mean(dim=(2, 3))}\n"
        "class Quick(Slow):\n"
        "    delay = 0\n"
    )
    words = ["score", "--samples", "digits", "--reference", "digits", "--metrics", "fd", "--batch-size", "4"]
    command = [sys.executable, "-m", "genbench", *words, "--features", "slow_guest:Slow"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    store = Path(os.environ["GENBENCH_CACHE"]) / "features"
    while len(list(store.rglob("*.safetensors"))) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "goes on from there" in said
    assert "Traceback" not in said
    kept = len(list(store.rglob("*.safetensors")))
    assert 2 <= kept < 8
    again = [sys.executable, "-m", "genbench", *words, "--features", "slow_guest:Quick"]
    assert subprocess.run(again, cwd=tmp_path, check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert len(list(store.rglob("*.safetensors"))) == 8
