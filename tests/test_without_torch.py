"""What needs no network works without torch: imports, library calls on arrays, and the pass of an array extractor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOMS = [
    "files",
    "features",
    "plugs",
    "sources",
    "extraction",
    "results",
    "comparison",
    "checks",
    "scoring",
    "tables",
    "runs",
]

IMPORTS = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
    assert "torch" not in sys.modules, module.name
"""

LIBRARY_CALLS = """
import numpy as np
from genbench.metrics.frechet import frechet_distance, frechet_distance_of_rows
from genbench.metrics.inception_score import inception_score
from genbench.metrics.kernel import kernel_distance
from genbench.metrics.precision_recall import density_coverage, precision_recall
x, y = np.random.default_rng(0).standard_normal((2, 60, 4)).astype(np.float32)
frechet_distance(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
frechet_distance_of_rows(x, y)
inception_score(x)
kernel_distance(x, y, subsets=2, subset_size=20)
precision_recall(x, y)
density_coverage(x, y)
"""

PASS = """
import sys
import numpy as np
from genbench.extraction.extract import Extraction, extract
from genbench.extraction.feature_store import Store
from pathlib import Path
from genbench.plugs.opening import open_source

class Means:
    name, identity, takes_arrays = "means", "means, version 1", True
    def __call__(self, data):
        assert type(data) is np.ndarray
        return {"embedding": data.reshape(len(data), 3, -1).mean(axis=2, dtype=np.float32)}

for path in sys.argv[2:]:
    source = open_source(path)
    for store in (None, Store(Path(sys.argv[1]))):
        rows = extract(source, Means(), Extraction(store, progress=False))["embedding"]
        assert rows.shape == (len(source), 3), rows.shape
"""


SCORE = """
import sys
import genbench
result = genbench.score(sys.argv[1], reference=sys.argv[2], device="cpu", progress=False)
assert result.scores
"""


def run(code: str, *words: object) -> None:
    """Run code in a process of its own, at the end of which torch must not have been imported."""
    code += '\nimport sys\nassert "torch" not in sys.modules\n'
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_module_leaves_torch_out(room: str) -> None:
    run(IMPORTS, f"genbench.{room}")


def test_library_calls_on_arrays_leave_torch_out() -> None:
    run(LIBRARY_CALLS)


def test_the_pass_of_an_extractor_that_takes_arrays_leaves_torch_out(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 5, 6, 3), dtype=np.uint8)
    # files of two sizes, and arrays
    (tmp_path / "files").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image[: 4 + number % 2]).save(tmp_path / "files" / f"{number}.png")
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "points.npy", images[:, 0, :3, 0].astype(np.float32))
    run(PASS, tmp_path / "store", tmp_path / "files", tmp_path / "images.npy", tmp_path / "points.npy")


def test_a_score_of_two_files_of_points_leaves_torch_out(tmp_path: Path) -> None:
    points = np.random.default_rng(0).standard_normal((2, 200, 2)).astype(np.float32)
    for name, rows in zip(("generated.npy", "reference.npy"), points, strict=True):
        np.save(tmp_path / name, rows)
    run(SCORE, tmp_path / "generated.npy", tmp_path / "reference.npy")
