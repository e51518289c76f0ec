"""Contestants that read images: end to end, the network, its resize, and the start of the process.

Peers run with their defaults. Each function prepares its input and returns the call to be timed. It raises ImportError
if a package is not installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.speed.material import Sizes, Timed


def end_to_end_genbench(root: Path, sizes: Sizes, *more: str) -> Timed:
    """FID, IS, KID, precision, recall, density and coverage with the command line, without the cache."""
    size = min(1000, sizes.count)
    command = [sys.executable, "-m", "genbench", "score", "--samples", str(root / "generated")]
    command += ["--reference", str(root / "reference"), "--features", "inception", "--weights", _weights(root)]
    command += ["--metrics", f"is,fid,kid,subset_size={size},pr,prdc", "--no-cache", "--quiet", "--json", *more]

    def timed() -> float:
        scores = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["scores"]
        return next(float(score["value"]) for score in scores if score["name"] == "fd@inception")

    return timed


def end_to_end_genbench_openvino(root: Path, sizes: Sizes) -> Timed:
    """The same with ``--backend openvino``."""
    import openvino  # noqa: F401

    return end_to_end_genbench(root, sizes, "--backend", "openvino")


def end_to_end_torch_fidelity(root: Path, sizes: Sizes) -> Timed:
    """IS, FID, KID, precision and recall."""

    def timed() -> Any:
        from torch_fidelity import calculate_metrics

        scores = calculate_metrics(
            input1=str(root / "generated"), input2=str(root / "reference"), isc=True, fid=True, kid=True, prc=True,
            feature_extractor="inception-v3-compat", feature_extractor_weights_path=_weights(root), cuda=False,
            kid_subset_size=min(1000, sizes.count), cache=False, verbose=False,
        )  # fmt: skip
        return scores["frechet_inception_distance"]

    return timed


def end_to_end_pytorch_fid(root: Path, sizes: Sizes) -> Timed:
    """FID only."""

    def timed() -> Any:
        from pytorch_fid import fid_score

        patch_peers(root)
        paths = [str(root / "generated"), str(root / "reference")]
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

        folders = str(root / "generated"), str(root / "reference")
        device = torch.device("cpu")
        return float(fid.compute_fid(*folders, custom_feat_extractor=features, device=device, verbose=False))

    return timed


def end_to_end_torchmetrics(root: Path, sizes: Sizes) -> Timed:
    """FID only, from images decoded in batches of 32."""

    def timed() -> Any:
        import torch
        from PIL import Image
        from torchmetrics.image.fid import FrechetInceptionDistance

        metric = FrechetInceptionDistance(feature_extractor_weights_path=_weights(root))
        for role in ("generated", "reference"):
            paths = sorted((root / role).iterdir())
            for start in range(0, len(paths), 32):
                arrays = [np.asarray(Image.open(path)) for path in paths[start : start + 32]]
                images = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
                metric.update(images, real=role == "reference")
        return float(metric.compute())

    return timed


def forward_genbench(root: Path, sizes: Sizes, backend: str = "torch") -> Timed:
    """Resize and network, as on the command line."""
    import torch

    from genbench.cli.malloc import keep_pages
    from genbench.extractors.inception.extractor import Inception

    keep_pages()
    extractor = Inception(weights=_weights(root), backend=backend)
    batches = _batches(root, sizes)
    extractor(batches[0])
    return lambda: float(torch.cat([extractor(batch)["embedding"] for batch in batches]).mean())


def forward_genbench_openvino(root: Path, sizes: Sizes) -> Timed:
    """The same with OpenVINO."""
    import openvino  # noqa: F401

    return forward_genbench(root, sizes, "openvino")


def forward_torch_fidelity(root: Path, sizes: Sizes) -> Timed:
    """Its network module only."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    module = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], _weights(root))
    batches = _batches(root, sizes)
    with torch.no_grad():
        module(batches[0])

    def timed() -> float:
        with torch.no_grad():
            return float(torch.cat([module(batch)[0] for batch in batches]).mean())

    return timed


def forward_roofline(root: Path, sizes: Sizes) -> Timed:
    """The multiplications of this pass at the speed of a large matrix product, in float32."""
    import torch

    left, right = torch.rand(2048, 2048), torch.rand(2048, 2048)
    products = round(5.711e9 * len(_batches(root, sizes)) * 32 / 2048**3)
    torch.mm(left, right)
    return lambda: float(sum(torch.mm(left, right)[0, 0] for _ in range(products)))


def precision_fp32(root: Path, sizes: Sizes, precision: str = "fp32") -> Timed:
    """The distance between the features of both folders, computed with one precision."""
    import torch

    from genbench.extractors.inception.extractor import Inception
    from genbench.metrics.frechet.metric import frechet_distance_of_rows

    extractor = Inception(weights=_weights(root), precision=precision)
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


def cached_genbench(root: Path, sizes: Sizes) -> Timed:
    """A second run of the same score, with everything in the cache."""
    command = [sys.executable, "-m", "genbench", "score", "--samples", str(root / "generated"), "--reference"]
    command += [str(root / "reference"), "--features", "inception", "--weights", _weights(root), "--quiet"]
    command += ["--metrics", "is,fid,kid,pr,prdc"]
    environment = os.environ | {"GENBENCH_CACHE": str(root / "cache")}
    subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return lambda: subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).returncode


def cached_torch(root: Path, sizes: Sizes) -> Timed:
    """Importing torch only."""
    return lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True).returncode


def help_genbench(root: Path, sizes: Sizes) -> Timed:
    """``genbench --help``."""
    command = [sys.executable, "-m", "genbench", "--help"]
    return lambda: subprocess.run(command, check=True, stdout=subprocess.PIPE).returncode


def _weights(root: Path) -> str:
    return str(root / "inception.pth")


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

    state = torch.load(_weights(root), weights_only=True)
    inception.load_state_dict_from_url = lambda *_args, **_keywords: state
    sqrtm = linalg.sqrtm
    linalg.sqrtm = lambda matrix, disp=True: sqrtm(matrix) if disp else (sqrtm(matrix), 0.0)
