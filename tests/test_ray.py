"""Tasks of Ray that call ``genbench.score`` and share a bucket: the example of docs/many_machines.md."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genbench
from tests.helpers.bucket import bucket_server

ROOT = Path(__file__).parents[1]

FOLDERS = ("imagenet", "samples/step-1000", "samples/step-2000", "samples/step-3000")


def example() -> str:
    """Return the program on the page, for CPUs and the bucket of the test."""
    page = (ROOT / "docs" / "many_machines.md").read_text(encoding="utf-8")
    code = page.partition("## Ray")[2].partition("```python\n")[2].partition("```")[0]
    assert "num_gpus=1" in code
    return code.replace("num_gpus=1", "num_cpus=1").replace("s3://my-bucket/", "s3://shared/")


def output_of(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what a command prints, after it has succeeded."""
    everything = os.environ | environment
    process = subprocess.run(command, cwd=folder, env=everything, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.slow
def test_tasks_of_ray_share_a_bucket_and_give_the_scores_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    random = np.random.default_rng(0)
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
        for number, image in enumerate(random.integers(0, 256, (20, 16, 16, 3), np.uint8)):
            Image.fromarray(image).save(tmp_path / folder / f"{number}.png")
    for home in ("home", "other"):
        (tmp_path / home).mkdir()
    (tmp_path / "program.py").write_text(example())
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with bucket_server() as bucket:
        given = {**bucket, "HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(paths)}
        scores = output_of([sys.executable, "program.py"], tmp_path, given | {"RAY_USAGE_STATS_ENABLED": "0"})
        # another machine finds one block of each folder in the bucket
        other = {**bucket, "HOME": str(tmp_path / "other"), "GENBENCH_CACHE": "s3://shared/genbench"}
        assert "4 blocks" in output_of([sys.executable, "-m", "genbench", "cache", "list"], tmp_path, other)
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    for folder, values in zip(FOLDERS[1:], ast.literal_eval(scores.strip().splitlines()[-1]), strict=True):
        expected = genbench.score(tmp_path / folder, reference=tmp_path / "imagenet", progress=False).values
        assert values == pytest.approx(expected, rel=1e-9)
