"""A stranger's package, installed, is found by its entry points and scored beside genbench's own plugs."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PACKAGE = Path(__file__).parent / "guest_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the guest package into a folder of its own, offline, and return the folder."""
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("guest")
    shutil.copytree(PACKAGE, folder / "source")  # building leaves files behind
    how = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *how, "--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def genbench(installed: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "genbench", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=installed)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_guest_sampler_extractor_and_metric_are_scored_with_genbenchs_own(installed: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "black.npy", np.zeros((300, 8, 8, 3), np.uint8))
    metrics = ["--metrics", "acme-gap,scale=10,fd"]
    sides = ["--sampler", "acme-stripes,level=51", "--reference", str(tmp_path / "black.npy")]
    result = json.loads(genbench(installed, "score", *sides, "--features", "acme-brightness", *metrics, "--json"))
    values = {score["name"]: score["value"] for score in result["scores"]}
    # half of the pixels at 51 of 255: a tenth in each of three colours, in every image
    assert values["acme_gap@acme-brightness"] == pytest.approx(10 * np.sqrt(3) / 10, rel=1e-6)
    assert values["fd@acme-brightness"] == pytest.approx(3 / 100, rel=1e-5)
    assert result["generated"]["count"] == 300
    assert result["extractors"] == {"acme-brightness": "acme-brightness,1"}


def test_what_a_guest_brings_is_listed_with_its_first_line(installed: Path) -> None:
    listed = " ".join(genbench(installed, "list", "samplers").split())
    assert "acme-stripes 8x8 images of stripes two pixels wide" in listed


def test_the_guest_imports_nothing_of_genbench() -> None:
    trees = [ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert names
    assert not [name for name in names if name.split(".")[0] == "genbench"]
