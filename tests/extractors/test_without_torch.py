"""Extractors are known without torch: their modules, options, names and identities; OpenVINO runs Inception without."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.extractors.inception import Inception
from genbench.extractors.inception.array_resizing import ARRAY_RESIZES
from genbench.extractors.inception.resizing import RESIZES
from genbench.extractors.inception.sizes import ADDED_VIEWS, RESIZE_NAMES
from genbench.extractors.raw import Points
from tests.helpers.random_weights import random_inception_weights, smooth_images

MODULES = sorted({entry.module for entry in entry_points(group="genbench.extractors") if "genbench." in entry.module})

MADE = """
from pathlib import Path
from genbench.extractors import classifier, clip_dinov2_vgg, inception, raw, spectrum, stacked
from genbench.extractors.efficientnet_lite.extractor import efficientnet_lite0
weights = Path(sys.argv[1])
made = [
    inception.Inception(weights=weights), inception.Inception("clean", weights=weights).with_views(["spatial"]),
    efficientnet_lite0(), efficientnet_lite0(precision="bf16"), clip_dinov2_vgg.Clip(weights=weights),
    clip_dinov2_vgg.Vgg16(weights=weights), clip_dinov2_vgg.dinov2_vit_s_14(weights=weights),
    classifier.digits_classifier(), classifier.mnist_classifier(), stacked.stacked_digits_classifier(),
    raw.Pixels(), raw.Images(), raw.Points("ring"), spectrum.Spectrum(),
]
for extractor in made:
    assert extractor.name and extractor.identity
    for fact in ("canonical", "class_names", "modes", "computed_by"):
        getattr(extractor, fact, None)
"""

RUN = """
import numpy
from genbench.extractors.inception import Inception
images = numpy.random.default_rng(0).integers(0, 256, (3, 3, 20, 30), dtype=numpy.uint8)
views = Inception(weights=sys.argv[1], backend="openvino")(images)
assert {view: (type(rows), rows.shape) for view, rows in views.items()} == {
    "embedding": (numpy.ndarray, (3, 2048)), "logits": (numpy.ndarray, (3, 1008))
}
"""


def assert_without_torch(code: str, *arguments: object) -> None:
    """Run code in a process of its own, and assert that it has not imported torch."""
    program = f"import sys\n{code}\nsys.exit('torch is imported' if 'torch' in sys.modules else 0)"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception_weights(tmp_path_factory.mktemp("weights") / "random.pth", seed=4)


def test_importing_the_modules_of_extractors_does_not_import_torch() -> None:
    assert len(MODULES) > 8
    assert_without_torch("\n".join(f"import {module}" for module in MODULES))


def test_names_and_identities_need_no_torch(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"the identity is a hash of the file")
    assert_without_torch(MADE, weights)


def test_openvino_runs_inception_without_torch(path: Path) -> None:
    pytest.importorskip("openvino")
    assert_without_torch(RUN, path)


@pytest.mark.parametrize("resize", RESIZE_NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (8, 300), (32, 32), (299, 299), (400, 512), (640, 333)])
def test_the_resizes_of_arrays_are_those_of_tensors_up_to_rounding(resize: str, shape: tuple[int, int]) -> None:
    assert list(RESIZES) == list(ARRAY_RESIZES) == list(RESIZE_NAMES)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, *shape), dtype=np.uint8)
    expected = RESIZES[resize](torch.from_numpy(images)).numpy()
    found = ARRAY_RESIZES[resize](images)
    assert found.dtype == np.float32
    # tensorflow's is bit-identical; 1e-4 is 0.01 of a level of 255
    tolerance = 0 if resize in ("tf", "clean") else 1e-4
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("resize", RESIZE_NAMES)
def test_all_views_of_openvino_are_those_of_torch(path: Path, resize: str) -> None:
    pytest.importorskip("openvino")
    images = smooth_images(5, size=40, seed=1)
    by_torch = Inception(resize, weights=path).with_views(list(ADDED_VIEWS))(torch.from_numpy(images))
    by_openvino = Inception(resize, weights=path, backend="openvino").with_views(list(ADDED_VIEWS))(images)
    assert list(by_openvino) == list(by_torch) == ["embedding", "logits", *ADDED_VIEWS]
    for view, rows in by_torch.items():
        assert by_openvino[view].shape == tuple(rows.shape)
        np.testing.assert_allclose(by_openvino[view], rows, rtol=0, atol=3e-5 * float(rows.abs().max()))


def test_openvino_gives_tensors_for_tensors_and_takes_a_batch_without_images(path: Path) -> None:
    pytest.importorskip("openvino")
    extractor = Inception(weights=path, backend="openvino")
    assert extractor.takes_arrays
    assert not Inception(weights=path).takes_arrays
    tensor = torch.from_numpy(smooth_images(2, size=40, seed=1))
    assert isinstance(extractor(tensor)["logits"], torch.Tensor)
    assert extractor(tensor.numpy()[:0])["embedding"].shape == (0, 2048)


def test_points_take_arrays() -> None:
    points = np.array([[1, 0], [0, 2]], np.float64)
    views = Points()(points)
    assert Points.takes_arrays
    assert views["embedding"].dtype == np.float32
    np.testing.assert_array_equal(views["embedding"], points)
