"""``python -m tests.gpu_check``: compare the numbers of a GPU with those of the CPU, and measure the speed.

Prints one line per check; exits with 1 if a check fails. Uses random weights.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from genbench.extraction.forward import ForwardPass
from genbench.extractors.inception.extractor import Inception
from genbench.metrics.frechet.metric import frechet_distance_of_rows
from tests.helpers.random_weights import random_inception_weights, smooth_images

COUNT = 64
ROUTES = {
    "fp32": ({}, 3e-5, 1e-5),
    "fp32, compile": ({"backend": "compile"}, 3e-5, 1e-5),
    "tf32": ({"precision": "tf32"}, 5e-2, 1e-1),
    "bf16": ({"precision": "bf16"}, 5e-1, 1e-1),
}
"""Options, tolerance of the features (relative to the largest value), and relative tolerance of the distance."""


def main() -> None:
    """Check every route."""
    if not torch.cuda.is_available():
        sys.exit("torch has no GPU: nothing was checked")
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    with tempfile.TemporaryDirectory() as folder:
        weights = random_inception_weights(Path(folder) / "inception.pth")
        failed = [line for line, passed in _checks(weights) if not passed]
    sys.exit(1 if failed else 0)


def _checks(weights: Path) -> Iterator[tuple[str, bool]]:
    images = torch.from_numpy(smooth_images(COUNT, size=64, seed=3))
    exact = Inception(weights=weights)(images)["embedding"]
    expected = frechet_distance_of_rows(exact[: COUNT // 2], exact[COUNT // 2 :])
    for name, (options, features_tolerance, distance_tolerance) in ROUTES.items():
        extractor = Inception(weights=weights, device="cuda", **options)
        on_gpu = extractor(images)["embedding"]
        if on_gpu.device.type != "cuda":
            yield _report(f"{name}: the features are on {on_gpu.device}", False)
        features = on_gpu.cpu()
        features_error = float((features - exact).abs().max() / exact.abs().max())
        distance = frechet_distance_of_rows(features[: COUNT // 2], features[COUNT // 2 :])
        distance_error = abs(distance / expected - 1)
        speed = _images_per_second(extractor, images)
        line = f"{name}: error of features {features_error:.1e}, of distance {distance_error:.1e}, {speed:.0f} images/s"
        passed = features_error <= features_tolerance and distance_error <= distance_tolerance
        yield _report(f"{line} ({extractor.computed_by})", passed)
    yield _memory(weights)


def _images_per_second(extractor: Inception, images: torch.Tensor) -> float:
    began = time.perf_counter()
    for _ in range(10):
        extractor(images)["embedding"].cpu()
    return 10 * len(images) / (time.perf_counter() - began)


def _memory(weights: Path) -> tuple[str, bool]:
    """Limit the memory to a part of the batch, and check that the batch is halved."""
    messages: list[str] = []
    forward = ForwardPass(Inception(weights=weights, device="cuda"), messages.append)
    forward.views(np.zeros((1, 3, 64, 64), np.uint8))  # builds the network
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((total - free + 2e9) / total)
    views = forward.views(np.zeros((2048, 3, 64, 64), np.uint8))
    torch.cuda.set_per_process_memory_fraction(1.0)
    passed = bool(messages) and len(views["embedding"]) == 2048
    return _report(f"out of memory: {'; '.join(messages) or 'never'}", passed)


def _report(line: str, passed: bool) -> tuple[str, bool]:
    print("ok    " if passed else "FAILED", line)
    return line, passed


if __name__ == "__main__":
    main()
