"""``python -m tests.gpu_check``: where there is a GPU, its numbers against the CPU's, and what each route costs.

Prints one line a check; leaves with 1 where one fails. Random weights, made here.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from genbench.extraction.forward import Caller
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
"""Options, and how far features (of the largest) and distance (relative) may be off."""


def main() -> None:
    """Check every route."""
    if not torch.cuda.is_available():
        sys.exit("no GPU that torch can use: nothing was checked")
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    with tempfile.TemporaryDirectory() as folder:
        weights = random_inception_weights(Path(folder) / "inception.pth")
        failed = [line for line, passed in _checks(weights) if not passed]
    sys.exit(1 if failed else 0)


def _checks(weights: Path) -> Iterator[tuple[str, bool]]:
    images = torch.from_numpy(smooth_images(COUNT, size=64, seed=3))
    exact = Inception(weights=weights)(images)["embedding"]
    wanted = frechet_distance_of_rows(exact[: COUNT // 2], exact[COUNT // 2 :])
    for name, (options, features_off, distance_off) in ROUTES.items():
        extractor = Inception(weights=weights, device="cuda", **options)
        on_gpu = extractor(images)["embedding"]
        if on_gpu.device.type != "cuda":
            yield _told(f"{name}: the features lie on {on_gpu.device}", False)
        found = on_gpu.cpu()
        off = float((found - exact).abs().max() / exact.abs().max())
        moved = abs(frechet_distance_of_rows(found[: COUNT // 2], found[COUNT // 2 :]) / wanted - 1)
        speed = _images_a_second(extractor, images)
        line = f"{name}: features off by {off:.1e}, distance by {moved:.1e}, {speed:.0f} images a second"
        yield _told(f"{line} ({extractor.computed_by})", off <= features_off and moved <= distance_off)
    yield _memory(weights)


def _images_a_second(extractor: Inception, images: torch.Tensor) -> float:
    began = time.perf_counter()
    for _ in range(10):
        extractor(images)["embedding"].cpu()
    return 10 * len(images) / (time.perf_counter() - began)


def _memory(weights: Path) -> tuple[str, bool]:
    """Leave room for a part of the batch, and see the batch halved."""
    told: list[str] = []
    caller = Caller(Inception(weights=weights, device="cuda"), told.append)
    caller.views(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))  # builds the network
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((total - free + 2e9) / total)
    views = caller.views(torch.zeros(2048, 3, 64, 64, dtype=torch.uint8))
    torch.cuda.set_per_process_memory_fraction(1.0)
    return _told(f"out of memory: {'; '.join(told) or 'never'}", bool(told) and len(views["embedding"]) == 2048)


def _told(line: str, passed: bool) -> tuple[str, bool]:
    print("ok    " if passed else "FAILED", line)
    return line, passed


if __name__ == "__main__":
    main()
