"""``python -m tests.speed.gpu``: the speed of each extractor on a GPU beside the peers, as Markdown.

Networks have random weights, except EfficientNet-Lite0. Exits with 1 if torch has no GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from genbench.errors import GenbenchError
from genbench.extraction.forward import ForwardPass
from genbench.plugs import registry
from genbench.plugs.specs import Spec, parse_specs
from tests.helpers.random_weights import random_inception_weights, smooth_images
from tests.speed.drawing import SlowSampler
from tests.speed.random_networks import networks
from tests.speed.report import machine

BATCH, SIZE = 128, 256
"""Images in a batch, and their width and height in pixels."""

REPEATS = 5

PRECISIONS = ("fp32", "tf32", "bf16")

SCORED = 10_000
"""Images on each side, end to end; they have 64 pixels."""

Timed = Callable[[], Any]


def main() -> None:
    """Measure each part, and print it as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m tests.speed.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, help="file that gets the text, too")
    parser.add_argument("--count", type=int, default=SCORED, help="images on each side, end to end")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch has no GPU: nothing was measured")
    parts: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in _parts(Path(folder), options.count):
            print(part, flush=True)
            parts.append(part)
            if options.out:
                options.out.write_text("\n".join(parts), encoding="utf-8")


def _parts(folder: Path, count: int) -> Iterator[str]:
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    yield (
        f"## On a GPU: {torch.cuda.get_device_name()}, {memory:.0f} GiB\n\n{machine()}\n\nMedians of {REPEATS} runs, "
        f"warm, with the copy of the images to the GPU and of the features back. Batches of {BATCH} images.\n"
    )
    weights = random_inception_weights(folder / "inception.pth")
    images = np.random.default_rng(0).integers(0, 256, (BATCH, 3, SIZE, SIZE), np.uint8)
    yield _extractors_table(folder, weights, images)
    yield _peers_table(weights, images)
    yield _end_to_end_table(weights, count)
    yield _distance_table()
    yield _drawing_table(weights)


def _extractors_table(folder: Path, weights: Path, images: np.ndarray) -> str:
    rows = []
    for spec, path in networks(folder, weights):
        cells = [_extractor_pace(spec, path, images, precision=precision) for precision in PRECISIONS]
        rows.append([spec, *cells])
    compiled = [_extractor_pace("inception", weights, images, precision=name, backend="compile") for name in PRECISIONS]
    rows.insert(1, ["inception, --backend compile", *compiled])
    head = ["extractor", *(f"{precision}, images/s" for precision in PRECISIONS)]
    title = f"### Extractors, images of {SIZE} pixels, with their resize (timm's and torchvision's runs on the CPU)"
    return f"{title}\n\n{_table(rows, head)}\n"


def _extractor_pace(spec: str, path: Path | None, images: np.ndarray, **options: Any) -> str:
    """Return the images per second, or the reason why there are none."""
    given = {**parse_specs(spec)[0].options, **options, "device": "cuda", **({"weights": str(path)} if path else {})}
    try:
        extractor = registry.load("extractors", Spec(spec.partition(",")[0], given))
        forward = ForwardPass(extractor, print)
        seconds, _ = _seconds(lambda: forward.views(images))
    except (GenbenchError, RuntimeError) as error:
        print(f"{spec} {options}: {error}", file=sys.stderr)
        return "not measured"
    return f"{len(images) / seconds:,.0f}"


def _peers_table(weights: Path, images: np.ndarray) -> str:
    """The network of the peers, with torch's default arithmetic and with TF32 forbidden."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    module = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(weights)).cuda().eval()
    batch = torch.from_numpy(images)
    rows = []
    for name, allowed in {"torch's default (TF32 in convolutions)": True, "without TF32": False}.items():
        torch.backends.cudnn.allow_tf32 = allowed
        with torch.inference_mode():
            seconds, _ = _seconds(lambda: module(batch.cuda())[0].cpu())
        rows.append(["torch-fidelity", name, f"{len(images) / seconds:,.0f}"])
        metric = _torchmetrics(weights)
        seconds, _ = _seconds(lambda: metric.update(batch.cuda(), real=True))  # noqa: B023
        rows.append(["torchmetrics, update with its moments", name, f"{len(images) / seconds:,.0f}"])
    torch.backends.cudnn.allow_tf32 = True
    return f"### Inception of the peers, the same images\n\n{_table(rows, ['peer', 'arithmetic', 'images/s'])}\n"


def _torchmetrics(weights: Path) -> Any:
    from torchmetrics.image.fid import FrechetInceptionDistance

    return FrechetInceptionDistance(feature_extractor_weights_path=str(weights)).cuda()


def _end_to_end_table(weights: Path, count: int) -> str:
    small = smooth_images(64, size=64, seed=5)
    random = np.random.default_rng(1)
    # two sides of different images, made of a few smooth ones and noise
    sides = [
        np.clip(small[random.integers(0, 64, count)] + random.normal(0, 9 + 3 * side, (count, 3, 1, 1)), 0, 255)
        .round()
        .astype(np.uint8)
        for side in range(2)
    ]
    contestants: dict[str, Timed] = {
        "genbench, fp32": lambda: _score(sides, weights, "fp32"),
        "genbench, tf32": lambda: _score(sides, weights, "tf32"),
        "genbench, bf16": lambda: _score(sides, weights, "bf16"),
        "torch-fidelity, torch's default (TF32 in convolutions)": lambda: _torch_fidelity(sides, weights),
        "torch-fidelity, without TF32": lambda: _torch_fidelity(sides, weights, False),
        "torchmetrics, FID only": lambda: _torchmetrics_fid(sides, weights),
    }
    rows = []
    for name, timed in contestants.items():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        seconds, value = _seconds(timed, 1, warm=False)
        megabytes = torch.cuda.max_memory_allocated() / 2**20
        rows.append([name, f"{seconds:.1f}", f"{2 * count / seconds:,.0f}", f"{megabytes:,.0f}", f"{value:.6g}"])
    head = ["contestant", "seconds", "images/s", "peak MB on the GPU", "FID (random weights)"]
    title = f"### FID, IS, KID, precision and recall of {count:,} images of 64 pixels on each side, from memory"
    note = "One run. genbench gives the errors of all of them, and density and coverage."
    return f"{title}\n\n{note}\n\n{_table(rows, head)}\n"


def _score(sides: Sequence[np.ndarray], weights: Path, precision: str) -> float:
    import genbench

    result = genbench.score(
        sides[0], reference=sides[1], features="inception", weights=str(weights), device="cuda", precision=precision,
        metrics="is,fid,kid,subset_size=1000,pr,prdc", batch_size=BATCH, cache=False, progress=False,
    )  # fmt: skip
    return next(score.value for score in result.scores if score.name.startswith("fd@inception"))


class _Images(torch.utils.data.Dataset[torch.Tensor]):
    """Images as torch-fidelity wants them."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = torch.from_numpy(images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.images[index]


def _torch_fidelity(sides: Sequence[np.ndarray], weights: Path, tf32: bool = True) -> float:
    from torch_fidelity import calculate_metrics

    torch.backends.cudnn.allow_tf32 = tf32
    scores = calculate_metrics(
        input1=_Images(sides[0]), input2=_Images(sides[1]), isc=True, fid=True, kid=True, prc=True, batch_size=BATCH,
        feature_extractor="inception-v3-compat", feature_extractor_weights_path=str(weights), cuda=True,
        kid_subset_size=1000, cache=False, verbose=False,
    )  # fmt: skip
    torch.backends.cudnn.allow_tf32 = True
    return float(scores["frechet_inception_distance"])


def _torchmetrics_fid(sides: Sequence[np.ndarray], weights: Path) -> float:
    metric = _torchmetrics(weights)
    for side, images in enumerate(sides):
        for start in range(0, len(images), BATCH):
            metric.update(torch.from_numpy(images[start : start + BATCH]).cuda(), real=bool(side))
    return float(metric.compute())


def _distance_table() -> str:
    """The Frechet distance from moments: genbench's on the CPU, and the same arithmetic by torch on the GPU."""
    from genbench.metrics.frechet.metric import frechet_distance

    random = np.random.default_rng(0)
    scales = np.exp(-np.arange(2048) / 300)
    sides = [random.normal(size=(10_000, 2048)) * scales + 0.01 * side for side in range(2)]
    moments = [(rows.mean(axis=0), np.cov(rows, rowvar=False)) for rows in sides]
    covariances = [torch.from_numpy(covariance).cuda() for _, covariance in moments]

    def on_gpu() -> float:
        values, vectors = torch.linalg.eigh(covariances[0])
        root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        cross = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()
        gap = np.sum((moments[0][0] - moments[1][0]) ** 2)
        return float(gap + covariances[0].trace() + covariances[1].trace() - 2 * cross)

    seconds, value = _seconds(lambda: frechet_distance(*moments[0], *moments[1]), 3)
    rows = [[f"genbench, {os.cpu_count()} cores", f"{seconds:.2f}", f"{value:.10g}"]]
    seconds, value = _seconds(on_gpu, 3)
    rows.append(["the same in float64 by torch on the GPU", f"{seconds:.2f}", f"{value:.10g}"])
    return f"### Frechet distance of 2,048 dimensions, from moments\n\n{_table(rows, ['where', 'seconds', 'value'])}\n"


def _drawing_table(weights: Path) -> str:
    """A sampler on the CPU that takes as long as Inception on the GPU."""
    from threadpoolctl import threadpool_limits

    from genbench.derived_sources import CHUNK, Drawn
    from genbench.extraction.extract import Extraction, extract
    from genbench.extractors.inception.extractor import Inception

    extractor, options = Inception(weights=weights, device="cuda"), Extraction(progress=False, batch_size=BATCH)
    # the sampler must leave cores for the work beside the GPU
    threadpool_limits(max(1, (os.cpu_count() or 1) // 2))
    drawn = lambda sampler, chunks: Drawn(sampler, chunks * CHUNK, 0, "slow")  # noqa: E731
    looking, _ = _seconds(lambda: extract(drawn(SlowSampler(1, False), 8), extractor, options))
    drawing, _ = _seconds(lambda: SlowSampler(400, False).sample(CHUNK, 0))
    products = max(1, round(looking / 8 / drawing * 400))
    rows = []
    for name, ahead in {"one after the other": False, "side by side": True}.items():
        seconds, _ = _seconds(lambda: extract(drawn(SlowSampler(products, ahead), 40), extractor, options), 3)  # noqa: B023
        rows.append([name, f"{seconds:.2f}"])
    rows[1].append(f"{float(rows[0][1]) / float(rows[1][1]):.2f}")
    rows[0].append("1")
    title = "### A sampler on the CPU that takes as long as Inception on the GPU, 40 chunks of 256 images"
    return f"{title}\n\n{_table(rows, ['order', 'seconds', 'times as fast'])}\n"


def _seconds(timed: Timed, repeats: int = REPEATS, warm: bool = True) -> tuple[float, Any]:
    """Return the median of the seconds of a call, and its last value."""
    value = timed() if warm else None
    seconds = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        value = timed()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return median(seconds), value


def _table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    return tabulate(rows, head, "pipe", disable_numparse=True)


if __name__ == "__main__":
    main()
