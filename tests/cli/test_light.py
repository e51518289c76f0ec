"""What each verb imports: mistyped paths and names none of the large libraries, reading results only a few packages."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.plugs.declarations import stands_alone, summary
from genbench.plugs.registry import installed, plug

RESULTS = Path(__file__).parents[2] / "reports" / "digits.jsonl"

IMPORT_NAMES = {"scikit-learn": "sklearn", "pillow": "PIL"}
"""Packages that are imported under another name."""

DECLARED = {
    IMPORT_NAMES.get(name, name.replace("-", "_"))
    for name in (re.split(r"[^\w.-]", each)[0] for each in requires("genbench") or ())
}
"""The packages that genbench itself needs, also for its extras. What these import is their own affair."""

LARGE = {"torch", "torchvision", "scipy", "sklearn", "pandas", "matplotlib", "PIL"}

PROBE = """
import sys
from genbench.cli import main
try:
    main(sys.argv[1:], standalone_mode=False)
except Exception as error:
    print('refused:', error)
# the parts of SciPy differ most in the time that they take
parts = {".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("scipy.")}
print(*sorted({name.partition(".")[0] for name in sys.modules} | parts))
"""


def modules_after(folder: Path, command: str) -> tuple[str, set[str]]:
    """Return what a command printed in a process of its own, and the modules that it imported, as PROBE names them."""
    words = [sys.executable, "-c", PROBE, *command.split()]
    output = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    message, modules = output.strip().rsplit("\n", 1)
    return message, set(modules.split())


def used(modules: set[str]) -> set[str]:
    """Return the packages among modules that genbench needs besides click; SciPy by its parts."""
    assert "click" in modules
    return {
        name for name in modules if name in DECLARED - {"click", "scipy"} or re.match(r"scipy\.(?!_|version)", name)
    }


@pytest.mark.parametrize(
    "command",
    [
        "score --samples lost/ --reference here/",
        "score --samples here/ --reference lost/",
        "score --samples here/ --reference here/ --train lost/",
        "score --sampler lost --benchmark digits",
        "inspect lost/",
        "stats lost/ --out real.npz",
        "compare here/ lost/ --reference here/",
        "compare lost.jsonl other.jsonl",
        "gate lost.jsonl --against other.jsonl",
        "gate --sampler lost --against here.jsonl",
        "table lost.jsonl",
        "plan lost.jsonl",
        "sample lost --count 3 --out lost.npz",
        "train lost --benchmark digits",
        "run lost",
        "run digits --samplers real,lost",
        "score here/ here/ --features lost",
        "score here/ here/ --metrics lost",
        "score here/ here/ --metrics fd@lost",
        "score here/ here/ --panel lost",
    ],
)
def test_a_mistyped_name_is_told_before_large_libraries_are_imported(tmp_path: Path, command: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here.jsonl").touch()
    message, modules = modules_after(tmp_path, command)
    assert "lost" in message or "other.jsonl" in message
    assert not modules & LARGE


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("--help", set()),
        ("list", set()),
        ("cache size", {"numpy"}),
        ("stats list", {"numpy", "tabulate"}),
        ("table {results}", {"numpy", "scipy.special", "tabulate"}),
        ("table {results} --format markdown", {"numpy", "scipy.special"}),
        ("table {results} --format html", {"numpy", "scipy.special", "jinja2"}),
        # pandas imports pyarrow where it is installed
        ("table {results} --format csv", {"numpy", "scipy.special", "pandas", "pyarrow"}),
        ("gate {results} --against {results} --max-increase 0.5", {"numpy", "scipy.special"}),
        ("compare {results}", {"numpy", "scipy.special"}),
        ("plan {results}", {"numpy", "scipy.special"}),
        ("plan", {"numpy", "scipy.special"}),
        ("report {folder} --check", {"numpy", "scipy.special", "jinja2"}),
    ],
)
def test_a_verb_imports_no_other_packages(tmp_path: Path, command: str, allowed: set[str]) -> None:
    message, modules = modules_after(tmp_path, command.format(results=RESULTS, folder=RESULTS.parent))
    # a refused command imports less
    assert "refused:" not in message
    assert used(modules) <= allowed


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two folders of images, and an empty store."""
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    for number, name in enumerate(("out", "real")):
        images = np.random.default_rng(number).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
        (tmp_path / name).mkdir()
        for index, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{index}.png")
    return tmp_path


@pytest.mark.parametrize("options", ["--features digits", "--features pixels,size=4 --metrics fd,kd,pr,prdc,swd"])
def test_a_score_whose_features_are_stored_imports_no_torch(folders: Path, options: str) -> None:
    # on a machine with a GPU, auto asks torch for it
    command = f"score out/ real/ --device cpu --quiet {options}"
    first, _ = modules_after(folders, command)
    second, modules = modules_after(folders, command)
    # the time alone differs
    assert re.sub(r"[\d.]+ s\b", "", first) == re.sub(r"[\d.]+ s\b", "", second)
    scipy = {"scipy.linalg", "scipy.sparse", "scipy.special"}
    assert used(modules) <= {"numpy", "PIL", "safetensors", "tabulate", "threadpoolctl", "tqdm", *scipy}


def test_inspect_imports_neither_torch_nor_scipy(folders: Path) -> None:
    report, modules = modules_after(folders, "inspect out/")
    assert "20 samples" in report
    assert used(modules) <= {"numpy", "PIL", "tqdm"}


def test_the_list_imports_neither_plugs_nor_numpy(tmp_path: Path) -> None:
    printed, modules = modules_after(tmp_path, "list")
    assert "samplers:" in printed
    assert not modules & {*LARGE, "numpy"}


@pytest.mark.parametrize("kind", ["sources", "samplers", "extractors", "metrics", "trackers", "panels", "benchmarks"])
def test_the_source_text_says_what_the_imported_plug_says(kind: str) -> None:
    assert {name: summary(kind, name) for name in installed(kind)} == {
        name: plug(kind, name).summary for name in installed(kind)
    }


@pytest.mark.parametrize("kind", ["sources", "samplers"])
def test_the_source_text_says_which_names_need_no_path_as_the_imported_plug_does(kind: str) -> None:
    assert {name: stands_alone(kind, name) for name in installed(kind)} == {
        name: plug(kind, name).stands_alone for name in installed(kind)
    }
