"""Contestants that read images: end to end, the network, and its resize.

Peers run with their defaults. Each function prepares its input and returns the call to be timed. It raises ImportError
if a package is not installed.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.speed.commands import Command, genbench
from tests.speed.material import Sizes, Timed, folder, weights

MULTIPLICATIONS = 5.711e9
"""Multiplications of Inception for one image."""

PRODUCT_IMAGES = 128
"""Images whose multiplications are timed as matrix products; the time of more images is in proportion."""


class Scores(Command):
    """A command of genbench that prints scores as JSON; its value is the FID."""

    def __call__(self) -> float:
        """Run it and return the FID."""
        scores = json.loads(self.output())["scores"]
        return next(float(score["value"]) for score in scores if score["name"] == "fd@inception")


def end_to_end_genbench(root: Path, sizes: Sizes, *more: str) -> Timed:
    """FID, IS, KID, precision, recall, density and coverage with the command line, without the cache."""
    command = genbench(
        "score", "--samples", folder(root, "generated", sizes), "--reference", folder(root, "reference", sizes),
        "--features", "inception", "--weights", weights(root), "--no-cache", "--quiet", "--json",
        "--metrics", f"is,fid,kid,subset_size={min(1000, sizes.count)},pr,prdc", *more,
    )  # fmt: skip
    return Scores(command.arguments, command.environment)


def end_to_end_genbench_openvino(root: Path, sizes: Sizes) -> Timed:
    """The same with ``--backend openvino``."""
    import openvino  # noqa: F401

    return end_to_end_genbench(root, sizes, "--backend", "openvino")


def end_to_end_product(root: Path, sizes: Sizes) -> Timed:
    """The time of the multiplications of both sides at the speed of a large matrix product, in float32."""
    return _Products(2 * sizes.count)


def end_to_end_torch_fidelity(root: Path, sizes: Sizes) -> Timed:
    """IS, FID, KID, precision and recall."""

    def timed() -> Any:
        from torch_fidelity import calculate_metrics

        scores = calculate_metrics(
            input1=folder(root, "generated", sizes), input2=folder(root, "reference", sizes),
            isc=True, fid=True, kid=True, prc=True,
            feature_extractor="inception-v3-compat", feature_extractor_weights_path=weights(root), cuda=False,
            kid_subset_size=min(1000, sizes.count), cache=False, verbose=False,
        )  # fmt: skip
        return scores["frechet_inception_distance"]

    return timed


def end_to_end_pytorch_fid(root: Path, sizes: Sizes) -> Timed:
    """FID only."""

    def timed() -> Any:
        from pytorch_fid import fid_score

        patch_peers(root)
        paths = [folder(root, "generated", sizes), folder(root, "reference", sizes)]
        workers = min(len(os.sched_getaffinity(0)), 8)  # the default of its command line
        return float(fid_score.calculate_fid_given_paths(paths, 50, "cpu", 2048, workers))

    return timed


def end_to_end_clean_fid(root: Path, sizes: Sizes) -> Timed:
    """FID only, with its own resize. The network is that of pytorch-fid, because its own file is executable code."""

    def timed() -> Any:
        import torch
        from cleanfid import fid
        from pytorch_fid.inception import InceptionV3

        patch_peers(root)
        network = InceptionV3([3], resize_input=False, normalize_input=False).eval()

        def features(images: Any) -> Any:
            with torch.no_grad():
                return network((images - 128) / 128)[0].flatten(1)

        folders = folder(root, "generated", sizes), folder(root, "reference", sizes)
        device = torch.device("cpu")
        return float(fid.compute_fid(*folders, custom_feat_extractor=features, device=device, verbose=False))

    return timed


def end_to_end_torchmetrics(root: Path, sizes: Sizes) -> Timed:
    """FID only, from images decoded in batches of 32."""

    def timed() -> Any:
        import torch
        from PIL import Image
        from torchmetrics.image.fid import FrechetInceptionDistance

        metric = FrechetInceptionDistance(feature_extractor_weights_path=weights(root))
        for role in ("generated", "reference"):
            paths = sorted(Path(folder(root, role, sizes)).iterdir())
            for start in range(0, len(paths), 32):
                arrays = [np.asarray(Image.open(path)) for path in paths[start : start + 32]]
                images = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
                metric.update(images, real=role == "reference")
        return float(metric.compute())

    return timed


def forward_genbench(root: Path, sizes: Sizes, backend: str = "torch") -> Timed:
    """Resize and network, as on the command line."""
    from genbench.cli.malloc import keep_pages
    from genbench.extractors.inception.extractor import Inception
    from genbench.plugs.tensors import input_of

    keep_pages()
    extractor = Inception(weights=weights(root), backend=backend)
    batches = [input_of(extractor, batch.numpy()) for batch in _batches(root, sizes)]
    extractor(batches[0])
    return lambda: float(np.concatenate([np.asarray(extractor(batch)["embedding"]) for batch in batches]).mean())


def forward_genbench_openvino(root: Path, sizes: Sizes) -> Timed:
    """The same with OpenVINO."""
    import openvino  # noqa: F401

    return forward_genbench(root, sizes, "openvino")


def forward_torch_fidelity(root: Path, sizes: Sizes) -> Timed:
    """Its network module only."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    module = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], weights(root))
    batches = _batches(root, sizes)
    with torch.no_grad():
        module(batches[0])

    def timed() -> float:
        with torch.no_grad():
            return float(torch.cat([module(batch)[0] for batch in batches]).mean())

    return timed


def forward_product(root: Path, sizes: Sizes) -> Timed:
    """The multiplications of this pass at the speed of a large matrix product, in float32."""
    return _Products(32 * sizes.batches)


class _Products:
    """Products of matrices with as many multiplications as ``images`` need, by the faster of torch and NumPy."""

    def __init__(self, images: int) -> None:
        import torch

        left = torch.rand(2048, 2048)
        # NumPy's library and torch's differ by up to a fifth, depending on the processor
        arrays = left.numpy()
        products = {"torch": lambda: torch.mm(left, left), "numpy": lambda: arrays @ arrays}
        paces = {name: min(_seconds(product) for _ in range(5)) for name, product in products.items()}
        self._library = min(paces, key=lambda name: paces[name])
        self._product = products[self._library]
        self._timed = min(images, PRODUCT_IMAGES)
        self.scale = images / self._timed
        """What the measured time is multiplied by."""

    def __call__(self) -> str:
        """Multiply, and return the name of the library."""
        for _ in range(round(MULTIPLICATIONS * self._timed / 2048**3)):
            self._product()
        return self._library


def _seconds(call: Timed) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def precision_fp32(root: Path, sizes: Sizes, precision: str = "fp32") -> Timed:
    """The distance between the features of both folders, computed with one precision."""
    import torch

    from genbench.extractors.inception.extractor import Inception
    from genbench.metrics.frechet.metric import frechet_distance_of_rows

    extractor = Inception(weights=weights(root), precision=precision)
    sides = [_batches(root, sizes, role)[:1] for role in ("generated", "reference")]
    extractor(sides[0][0][:1])

    def timed() -> float:
        rows = [torch.cat([extractor(batch)["embedding"] for batch in side]).numpy() for side in sides]
        return frechet_distance_of_rows(*rows)

    return timed


def precision_bf16(root: Path, sizes: Sizes) -> Timed:
    """The same in bfloat16; it is slower on a CPU without bfloat16 instructions."""
    return precision_fp32(root, sizes, "bf16")


def resize_genbench(root: Path, sizes: Sizes) -> Timed:
    """Bilinear resize to 299 pixels as in TensorFlow."""
    from genbench.extractors.inception.resizing import tensorflow_bilinear

    batches = _batches(root, sizes)
    return lambda: float(sum(tensorflow_bilinear(batch, 299)[0, 0, 0, 0] for batch in batches))


def resize_torch_fidelity(root: Path, sizes: Sizes) -> Timed:
    """The same resize, equal to the last bit."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as resize

    batches = _batches(root, sizes)
    return lambda: float(
        sum(resize(batch.float(), size=(299, 299), align_corners=False)[0, 0, 0, 0] for batch in batches)
    )


def _batches(root: Path, sizes: Sizes, role: str = "generated") -> list[Any]:
    import torch
    from PIL import Image

    paths = sorted((root / role).iterdir())[: 32 * sizes.batches]
    images = torch.from_numpy(np.stack([np.asarray(Image.open(path)) for path in paths])).permute(0, 3, 1, 2)
    return list(images.contiguous().split(32))


def patch_peers(root: Path) -> None:
    """Make pytorch-fid load the weights under ``root``, and SciPy's sqrtm accept the keyword that the peers pass."""
    import torch
    from pytorch_fid import inception
    from scipy import linalg

    state = torch.load(weights(root), weights_only=True)
    inception.load_state_dict_from_url = lambda *_args, **_keywords: state
    sqrtm = linalg.sqrtm
    linalg.sqrtm = lambda matrix, disp=True: sqrtm(matrix) if disp else (sqrtm(matrix), 0.0)
