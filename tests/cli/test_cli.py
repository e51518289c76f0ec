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
from functools import partial
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
    # what runs in the background of a script ignores interrupts, and its children would, too
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
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


# ---- what a name means ----


def test_a_path_that_is_not_there_needs_no_slash_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nowhere: no such file or folder" in refused(*score_pixels("nowhere"))


def test_a_mistyped_data_set_is_answered_with_the_nearest() -> None:
    assert "did you mean 'digits'?" in refused(*score_pixels("digts"), code=2)


def test_a_folder_called_like_a_data_set_must_be_told_apart(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.rename(images.with_name("digits"))
    monkeypatch.chdir(images.parent)
    said = refused("inspect", "digits", code=2)
    assert "./digits" in said
    assert "digits,split=" in said
    assert "digits: 20 samples" in run("inspect", "./digits").stdout
    assert "1,797 samples" in run("inspect", "digits,split=all").stdout


def test_a_benchmark_means_the_same_beside_a_folder_of_its_references_name(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.rename(images.with_name("digits"))
    monkeypatch.chdir(images.parent)
    found = run("score", "--samples", "digits,split=train", "--benchmark", "digits")
    assert found.exit_code == 0, found.output
    assert "against digits,split=test: 899 samples" in found.stdout


def test_a_folder_called_like_a_plug_that_needs_an_object_is_a_folder(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.rename(images.with_name("dataset"))
    monkeypatch.chdir(images.parent)
    assert "dataset: 20 samples" in run("inspect", "dataset").stdout


def test_a_plug_that_needs_an_object_is_no_name_of_samples() -> None:
    assert "There is no 'array' here" in refused("inspect", "array", code=2)


def test_a_path_object_is_never_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genbench.errors import InputError
    from genbench.plugs.opening import open_subject

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="digits: no such file or folder"):
        open_subject(Path("digits"))


def test_a_module_without_an_attribute_is_told_how_to_name_one() -> None:
    assert "written module:attribute" in refused("score", "--sampler", "my_models", "--benchmark", "digits")


@pytest.mark.parametrize("option", ["--samples", "--reference", "--metrics", "--features", "--weights", "--device"])
def test_an_empty_option_is_refused(images: Path, option: str) -> None:
    assert f"'{option}': it is empty" in refused(*score_pixels(images, option, ""), code=2)


def test_a_negative_seed_is_refused(images: Path) -> None:
    assert "--seed" in refused(*score_pixels(images, "--seed", "-1"), code=2)


def test_the_home_folder_is_found_in_every_path(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = run("stats", "~/images", "--features", "pixels,size=8", "--out", "~/s.npz")
    assert found.exit_code == 0, found.output
    found = run("score", "--samples", "~/images", "--reference", "~/s.npz", "--features", "pixels,size=8",
                "--metrics", "fd", "--to", "~/r.jsonl")  # fmt: skip
    assert found.exit_code == 0, found.output
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


def test_a_name_whose_bytes_are_no_text_can_be_scored_and_kept(images: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    try:
        images.rename(odd)
    except OSError:
        pytest.skip("this file system wants text")
    for more in (["--json"], ["--to", tmp_path / "r.jsonl"], []):
        assert run(*score_pixels(odd, *more)).exit_code == 0


# ---- what goes where ----


def test_what_a_guest_prints_is_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chatty_guest.py").write_text(
        "import numpy as np\ndef noise(count, seed):\n    print('epoch 3')\n"
        "    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)\n"
    )
    monkeypatch.chdir(tmp_path)
    found = run("score", "--sampler", "chatty_guest:noise", "--reference", "digits", "--features", "pixels,size=8",
                "--metrics", "swd", "--json")  # fmt: skip
    assert json.loads(found.stdout)["name"] == "chatty_guest:noise"
    assert "epoch 3" in found.stderr


@pytest.mark.parametrize("when", ["import", "call"])
def test_a_guest_that_exits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    lines = {"import": "import sys\nsys.exit(0)\n", "call": "import sys\ndef f(count, seed):\n    sys.exit(0)\n"}
    (tmp_path / f"exiting_{when}.py").write_text(lines[when])
    monkeypatch.chdir(tmp_path)
    assert "sys.exit(0)" in refused("score", "--sampler", f"exiting_{when}:f", "--benchmark", "digits")


def test_a_refusal_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lines_guest.py").write_text("def f(count, seed):\n    raise RuntimeError('one\\n  two\\x1b[31m')\n")
    monkeypatch.chdir(tmp_path)
    said = refused("score", "--sampler", "lines_guest:f", "--benchmark", "digits")
    assert "one two\\x1b[31m at" in said
    assert said.count("\n") == 1


def in_a_process(*words: object, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "genbench", *map(str, words)]
    return subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False)


def test_a_terminal_without_arrows_gets_letters(images: Path) -> None:
    found = in_a_process(*score_pixels(images), encoding="latin-1")
    assert found.returncode == 0, found.stderr
    assert "swd@pixels,size=8   v " in found.stdout.decode("ascii")


def test_json_can_be_read_whatever_the_encoding(images: Path) -> None:
    found = in_a_process(*score_pixels(images, "--json", "--name", "\u65e5\u672c"), encoding="latin-1")
    assert json.loads(found.stdout.decode("ascii"))["name"] == "\u65e5\u672c"


def test_what_is_piped_has_neither_bar_nor_colour(images: Path) -> None:
    found = in_a_process(*score_pixels(images))
    assert found.stderr == b""
    assert b"\x1b" not in found.stdout
    assert b"\r" not in found.stdout


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "genbench", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.wait()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    with open("/dev/full", "wb") as full:
        found = subprocess.run(
            [sys.executable, "-m", "genbench", "list"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert found.returncode == 1
    assert b"No space left on device" in found.stderr
    assert b"Traceback" not in found.stderr


def test_a_results_file_that_cannot_be_written_is_refused_before_the_work(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(*score_pixels(images, "--to", tmp_path / "file" / "r.jsonl"))
    assert not list(Path(os.environ["GENBENCH_CACHE"]).rglob("*.safetensors"))


def test_clearing_without_an_answer_removes_nothing(images: Path) -> None:
    run(*score_pixels(images))
    assert "add --yes" in refused("cache", "clear", code=2)
    assert "pixels,size=8" in run("cache", "list").stdout


def test_clearing_says_what_it_removed_and_what_it_could_not(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genbench.extraction.feature_store import Store

    run(*score_pixels(images))
    monkeypatch.setattr(Store, "clear", lambda self: None)
    found = run("cache", "clear", "--yes")
    assert found.exit_code == 1
    assert "removed 0 B" in found.stdout
    assert "could be removed" in found.stderr


def test_an_empty_cache_says_so() -> None:
    assert "nothing is kept" in run("cache", "list").stderr


def test_a_folder_that_may_not_be_entered_is_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, *_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", denied)
    said = refused(*score_pixels(images))
    assert "Permission denied" in said
    assert str(images) in said


def test_the_list_is_plain_text_of_a_hundred_columns() -> None:
    text = run("list").stdout
    assert max(map(len, text.splitlines())) <= 100
    assert not any(mark in text for mark in ("``", "Raises", " Return "))


def test_the_help_of_the_program_fits_its_lines() -> None:
    assert "..." not in run("--help").stdout.split("Commands:")[1]


def test_samples_of_trained_weights_are_written(tmp_path: Path) -> None:
    from baselines.vae import VAE
    from genbench import load

    model = VAE()
    model.fit(load("sources", "digits,split=fit"), seed=0, steps=3)
    model.save(tmp_path / "vae.safetensors")
    words = ["sample", "vae", "--weights", tmp_path / "vae.safetensors", "--count", 5, "--out", tmp_path / "a.npz"]
    found = run(*words)
    assert found.exit_code == 0, found.output
    assert np.load(tmp_path / "a.npz")["arr_0"].shape == (5, 8, 8, 3)
    (tmp_path / "bad.safetensors").write_text("x")
    words[3], words[-1] = tmp_path / "bad.safetensors", tmp_path / "b.npz"
    assert "bad.safetensors cannot be loaded into 'vae'" in refused(*words)
    assert not (tmp_path / "b.npz").exists()


def test_run_prints_a_row_for_each_sampler(tmp_path: Path) -> None:
    words = ["run", "digits", "--samplers", "real,noise", "--repeats", 1, "--budget", "quick", "--out", tmp_path]
    found = run(*words)
    assert found.exit_code == 0, found.output
    assert found.stdout.index("real") < found.stdout.index("noise")
    assert "No budget is called 'quik', did you mean 'quick'?" in refused(*words[:-4], "--budget", "quik", code=2)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "digit"], 2, "did you mean 'digits'"),
        (["run", "digits", "--budget", "fast"], 2, "known: full, quick"),
        (["run", "digits", "--samplers", "real,gann"], 2, "did you mean 'gan'"),
        (["run", "folder"], 2, "needs the option 'path'"),
        (["run", "folder,path=nowhere", "--samplers", "real"], 1, "nowhere: no such file or folder"),
        (["train", "gan", "--benchmark", "digitz"], 2, "did you mean 'digits'"),
        (["train", "digits,split=train", "--benchmark", "digits"], 2, "cannot be trained"),
        (["score", "--sampler", "gan", "--benchmark", "digits"], 1, "not trained yet"),
        (["score", "--sampler", "vae,weights=nowhere", "--benchmark", "digits"], 1, "cannot be loaded into 'vae'"),
        (["score", "--sampler", "noise,weights=nowhere", "--benchmark", "digits"], 2, "loads no weights"),
    ],
)
def test_mistakes_about_trainings_are_one_sentence(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(*words, code=code)
    assert not (tmp_path / "runs").exists()


def test_train_says_where_the_chosen_weights_are_and_score_opens_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run("train", "ae", "--benchmark", "digits", "--budget", "quick", "--quiet")
    assert found.exit_code == 0, found.output
    weights, _, about = found.stdout.partition(": ")
    assert weights == "runs/digits/ae/seed-0/best.safetensors"
    assert "of 250, chosen by fd on digits,split=validation" in about
    scored = run("score", "--sampler", f"ae,weights={weights}", "--benchmark", "digits", "--json")
    assert json.loads(scored.stdout)["benchmark"] == "digits@1"
