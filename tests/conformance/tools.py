"""The answers of one tool to all cases: ``python -m tests.conformance.tools NAME`` prints them as JSON.

Each tool runs in a process of its own, because some of them change global settings. Peers are called by their own
functions; a quantity that a tool does not have is left out.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from tests.conformance.make_set import FOLDER

Answer = float | list[float]
Compute = Callable[[dict[str, np.ndarray], dict[str, Any]], Answer | None]


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance as pytorch-fid and clean-fid compute them: the mean in the dtype of the rows."""
    return np.mean(rows, axis=0), np.cov(rows, rowvar=False)


def at_places(image: np.ndarray, places: np.ndarray) -> list[float]:
    """Return the values of [H, W, 3] at places [P, 2] (row, column)."""
    return [float(value) for value in np.asarray(image, np.float64)[places[:, 0], places[:, 1]].flatten()]


def genbench() -> dict[str, Compute]:
    import torch

    from genbench.extractors.inception.resizing import RESIZES
    from genbench.metrics import diversity, inception_score, kernel, precision_recall
    from genbench.metrics.frechet.metric import frechet_distance, frechet_distance_of_rows

    def resize(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer:
        image = torch.from_numpy(np.ascontiguousarray(arrays["image"].transpose(2, 0, 1)))[None]
        # the network's input is -1..1; each resize scales in its own way
        scaled = RESIZES[parameters["kind"]](image)[0].permute(1, 2, 0).double()
        values = (scaled + 1) * 127.5 if parameters["kind"] == "torch" else scaled * 128 + 128
        return at_places(values.numpy(), arrays["places"])

    def pair(function: Callable[..., Any], *names: str) -> Compute:
        def compute(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer:
            found = function(arrays["x"], arrays["y"], **parameters)
            return [float(getattr(found, name)) for name in names]

        return compute

    return {
        "frechet_distance": lambda arrays, _: frechet_distance(*arrays.values()),
        "frechet_distance_of_rows": lambda arrays, _: frechet_distance_of_rows(arrays["x"], arrays["y"]),
        "kernel_distance": lambda arrays, _: kernel.kernel_distance(arrays["x"], arrays["y"]).value,
        "inception_score": lambda arrays, parameters: (
            inception_score.inception_score(arrays["logits"], **parameters).mean
        ),
        "precision_recall": pair(precision_recall.precision_recall, "precision", "recall"),
        "density_coverage": pair(precision_recall.density_coverage, "density", "coverage"),
        "vendi": lambda arrays, _: diversity.vendi_of_rows(arrays["x"]).value,
        "resize": resize,
    }


def torch_fidelity() -> dict[str, Compute]:
    import torch
    from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as resize_tf

    def frechet(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> Answer:
        one, two = ({"mu": arrays[f"mu{side}"], "sigma": arrays[f"sigma{side}"]} for side in (1, 2))
        return float(metric_fid.fid_statistics_to_metric(one, two, False)["frechet_inception_distance"])

    def frechet_of_rows(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> Answer:
        sides = [metric_fid.fid_features_to_statistics(torch.from_numpy(arrays[key])) for key in ("x", "y")]
        return float(metric_fid.fid_statistics_to_metric(*sides, False)["frechet_inception_distance"])

    def kernel(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> Answer | None:
        # one subset of all rows; the function takes equal counts only
        if len(arrays["x"]) != len(arrays["y"]):
            return None
        rows = [torch.from_numpy(arrays[key]) for key in ("x", "y")]
        found = metric_kid.kid_features_to_metric(*rows, kid_subsets=1, kid_subset_size=len(rows[0]), verbose=False)
        return float(found["kernel_inception_distance_mean"])

    def inception(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer:
        found = metric_isc.isc_features_to_metric(torch.from_numpy(arrays["logits"]), **parameters)
        return float(found["inception_score_mean"])

    def precision(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer:
        rows = [torch.from_numpy(arrays[key]) for key in ("x", "y")]
        found = metric_prc.prc_features_to_metric(*rows, prc_neighborhood=parameters["k"], verbose=False)
        return [float(found["precision"]), float(found["recall"])]

    def resize(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer | None:
        if parameters["kind"] != "tf":
            return None
        image = torch.from_numpy(arrays["image"].transpose(2, 0, 1).astype(np.float32))[None]
        scaled = resize_tf(image, size=(parameters["size"],) * 2, align_corners=False)
        return at_places(scaled[0].permute(1, 2, 0).numpy(), arrays["places"])

    return {
        "frechet_distance": frechet,
        "frechet_distance_of_rows": frechet_of_rows,
        "kernel_distance": kernel,
        "inception_score": inception,
        "precision_recall": precision,
        "resize": resize,
    }


def pytorch_fid() -> dict[str, Compute]:
    import torch
    from pytorch_fid.fid_score import calculate_frechet_distance as distance

    def frechet_of_rows(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> Answer:
        # it gathers the features in an array of float64
        sides = [moments(arrays[key].astype(np.float64)) for key in ("x", "y")]
        return float(distance(*sides[0], *sides[1]))

    def resize(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer | None:
        # the call in pytorch_fid.inception.InceptionV3.forward, on 0..1
        if parameters["kind"] != "torch":
            return None
        image = torch.from_numpy(arrays["image"].transpose(2, 0, 1).astype(np.float32))[None] / 255
        size = (parameters["size"],) * 2
        scaled = torch.nn.functional.interpolate(image, size=size, mode="bilinear", align_corners=False)
        return at_places(scaled[0].permute(1, 2, 0).numpy() * 255, arrays["places"])

    return {
        "frechet_distance": lambda arrays, _: float(distance(*arrays.values())),
        "frechet_distance_of_rows": frechet_of_rows,
        "resize": resize,
    }


def clean_fid() -> dict[str, Compute]:
    from cleanfid.fid import frechet_distance as distance
    from cleanfid.fid import kernel_distance
    from cleanfid.resize import build_resizer

    def kernel(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> Answer | None:
        # one subset of all rows; for unequal counts it would be a random part of the larger side
        if len(arrays["x"]) != len(arrays["y"]):
            return None
        return float(kernel_distance(arrays["y"], arrays["x"], num_subsets=1))

    def resize(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer | None:
        if parameters["kind"] != "clean":
            return None
        return at_places(build_resizer("clean")(arrays["image"]), arrays["places"])

    return {
        "frechet_distance": lambda arrays, _: float(distance(*arrays.values())),
        "frechet_distance_of_rows": lambda arrays, _: float(distance(*moments(arrays["x"]), *moments(arrays["y"]))),
        "kernel_distance": kernel,
        "resize": resize,
    }


def torchmetrics() -> dict[str, Compute]:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance

    class Rows(torch.nn.Module):
        """Gives the rows themselves as features."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.num_features = width

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows

    def frechet_of_rows(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> Answer:
        metric = FrechetInceptionDistance(Rows(arrays["x"].shape[1]))
        metric.update(torch.from_numpy(arrays["y"]), real=True)
        metric.update(torch.from_numpy(arrays["x"]), real=False)
        return float(metric.compute())

    def kernel(arrays: dict[str, np.ndarray], _: dict[str, Any]) -> Answer | None:
        if len(arrays["x"]) != len(arrays["y"]):
            return None
        metric = KernelInceptionDistance(Rows(arrays["x"].shape[1]), subsets=1, subset_size=len(arrays["x"]))
        metric.update(torch.from_numpy(arrays["y"]), real=True)
        metric.update(torch.from_numpy(arrays["x"]), real=False)
        return float(metric.compute()[0])

    def inception(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer | None:
        # it always shuffles, so splits in file order cannot be asked for
        if parameters["splits"] > 1:
            return None
        metric = InceptionScore(Rows(arrays["logits"].shape[1]), splits=1)
        metric.update(torch.from_numpy(arrays["logits"]))
        return float(metric.compute()[0])

    def resize(arrays: dict[str, np.ndarray], parameters: dict[str, Any]) -> Answer | None:
        # its FID and Inception Score name torch-fidelity's network, which resizes as TensorFlow 1 does
        if parameters["kind"] not in ("tf", "torchmetrics"):
            return None
        image = torch.from_numpy(np.ascontiguousarray(arrays["image"].transpose(2, 0, 1)))[None]
        return at_places(network_input(image)[0].permute(1, 2, 0).numpy() * 128 + 128, arrays["places"])

    def network_input(image: torch.Tensor) -> torch.Tensor:
        """Return what the first layer of torchmetrics' Inception gets, with its default options; no weights needed."""
        from torchmetrics.image.fid import NoTrainInceptionV3

        class FirstLayer(torch.nn.Module):
            def forward(self, scaled: torch.Tensor) -> torch.Tensor:
                seen.append(scaled)
                raise StopIteration

        seen: list[torch.Tensor] = []
        network = NoTrainInceptionV3.__new__(NoTrainInceptionV3)
        torch.nn.Module.__init__(network)
        network.features_list, network.use_antialias = ["64"], True
        network.Conv2d_1a_3x3 = FirstLayer()
        with contextlib.suppress(StopIteration):
            network._torch_fidelity_forward(image)
        return seen[0]

    return {
        "frechet_distance_of_rows": frechet_of_rows,
        "kernel_distance": kernel,
        "inception_score": inception,
        "resize": resize,
    }


def prdc() -> dict[str, Compute]:
    from prdc import compute_prdc

    def compute(arrays: dict[str, np.ndarray], parameters: dict[str, Any], *names: str) -> Answer:
        found = compute_prdc(arrays["y"], arrays["x"], parameters["k"])
        return [float(found[name]) for name in names]

    return {
        "precision_recall": lambda arrays, parameters: compute(arrays, parameters, "precision", "recall"),
        "density_coverage": lambda arrays, parameters: compute(arrays, parameters, "density", "coverage"),
    }


def vendi_score() -> dict[str, Compute]:
    from vendi_score import vendi

    return {"vendi": lambda arrays, _: float(vendi.score_X(arrays["x"]))}


TOOLS: dict[str, tuple[str, Callable[[], dict[str, Compute]]]] = {
    "genbench": ("genbench", genbench),
    "torch-fidelity": ("torch-fidelity", torch_fidelity),
    "pytorch-fid": ("pytorch-fid", pytorch_fid),
    "clean-fid": ("clean-fid", clean_fid),
    "torchmetrics": ("torchmetrics", torchmetrics),
    "prdc": ("prdc", prdc),
    "vendi-score": ("vendi-score", vendi_score),
}
"""Distribution and functions of each tool."""


def answers(functions: Mapping[str, Compute]) -> dict[str, Answer | str]:
    """Return the answer to each case that a tool can compute, or the error that it raised, as text."""
    arrays = np.load(FOLDER / "arrays.npz")
    found: dict[str, Answer | str] = {}
    for case in json.loads((FOLDER / "cases.json").read_text())["cases"]:
        if case["quantity"] not in functions:
            continue
        given = {key: arrays[entry] for key, entry in case["arrays"].items()}
        try:
            answer = functions[case["quantity"]](given, case["parameters"])
        except Exception as error:  # what a tool raises is its answer
            answer = None
            found[case["name"]] = f"{type(error).__name__}: {error}"[:200]
        if answer is not None:
            found[case["name"]] = answer
    return found


if __name__ == "__main__":
    # tools print progress; only the answers go to the standard output
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        distribution, make = TOOLS[sys.argv[1]]
        result = {"version": version(distribution), "answers": answers(make())}
    print(json.dumps(result))
