"""The stages, their contestants, and the targets of genbench."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.speed import comparisons, images
from tests.speed.material import Sizes, Timed

Contestant = Callable[[Path, Sizes], Timed]


@dataclass(frozen=True)
class Stage:
    """One table of the report, with a row for each contestant; the others are compared with the first."""

    title: str
    contestants: Mapping[str, Contestant]
    targets: Mapping[str, float]
    """Smallest acceptable ratio of the time of a contestant to that of the first."""


METRICS = (
    "pr,prdc", "clipped", "sympr", "pppr", "prd", "mmd", "cmmd", "spectral", "c2st", "c2st,classifier=forest",
    "c2st,classifier=mlp", "c2st,classifier=1nn", "ct", "fld", "mifid", "memorised", "vendi", "vendi_per_class",
    "rrke,sigma=10", "tstr", "mind,swd",
)  # fmt: skip
"""Metrics that are timed alone."""

STAGES = {
    "end-to-end": Stage(
        "End to end, whole process, imports included",
        {
            "genbench": images.end_to_end_genbench,
            "genbench --backend openvino": images.end_to_end_genbench_openvino,
            "torch-fidelity": images.end_to_end_torch_fidelity,
            "pytorch-fid": images.end_to_end_pytorch_fid,
            "clean-fid": images.end_to_end_clean_fid,
            "torchmetrics": images.end_to_end_torchmetrics,
        },
        {"torch-fidelity": 2.5, "pytorch-fid": 2.5, "clean-fid": 2.5, "torchmetrics": 2.2},
    ),
    "forward": Stage(
        "Inception with its resize, network built and warm",
        {
            "genbench": images.forward_genbench,
            "genbench --backend openvino": images.forward_genbench_openvino,
            "torch-fidelity": images.forward_torch_fidelity,
            "its multiplications as one matrix product": images.forward_roofline,
        },
        {"torch-fidelity": 2.0, "its multiplications as one matrix product": 0.85},
    ),
    "precision": Stage(
        "bfloat16 compared with float32: the change of the distance (random weights exaggerate it)",
        {"fp32": images.precision_fp32, "bf16": images.precision_bf16},
        {},
    ),
    "resize": Stage(
        "Resize of 32 to 299 pixels",
        {"genbench": images.resize_genbench, "torch-fidelity": images.resize_torch_fidelity},
        {"torch-fidelity": 8.0},
    ),
    "distance": Stage(
        "Frechet distance, more rows than dimensions",
        {
            "genbench": comparisons.distance_genbench,
            "torch-fidelity": comparisons.distance_torch_fidelity,
            "pytorch-fid": comparisons.distance_pytorch_fid,
            "torchmetrics": comparisons.distance_torchmetrics,
        },
        {"torch-fidelity": 3.0, "pytorch-fid": 10.0, "torchmetrics": 4.0},
    ),
    "distance-few": Stage(
        "Frechet distance, a quarter as many rows as dimensions",
        {
            "genbench": comparisons.few_rows_genbench,
            "torch-fidelity": comparisons.few_rows_torch_fidelity,
            "pytorch-fid": comparisons.few_rows_pytorch_fid,
            "torchmetrics": comparisons.few_rows_torchmetrics,
        },
        {"torch-fidelity": 50.0, "pytorch-fid": 50.0, "torchmetrics": 50.0},
    ),
    "error": Stage(
        "FID with moments, error and debiased value (no peer computes an error)",
        {"genbench": comparisons.error_genbench},
        {},
    ),
    "pairs": Stage(
        "KID and precision/recall",
        {
            "genbench (and errors)": comparisons.metric_genbench("kid,pr"),
            "torch-fidelity": comparisons.pairs_torch_fidelity,
        },
        {"torch-fidelity": 2.5},
    ),
    "neighbours": Stage(
        "Precision, recall, density, coverage",
        {"genbench (and errors)": comparisons.metric_genbench("prdc"), "prdc": comparisons.neighbours_prdc},
        {"prdc": 4.0},
    ),
    "neighbour-family": Stage(
        "All metrics that count neighbours, in one pass",
        {
            "genbench pr,prdc,clipped,sympr,pppr": comparisons.metric_genbench("pr,prdc,clipped,sympr,pppr"),
            "genbench pr,prdc": comparisons.metric_genbench("pr,prdc"),
        },
        # the whole family takes at most 1.3 times as long
        {"genbench pr,prdc": 0.77},
    ),
    "metrics": Stage(
        "Each metric alone, with its error",
        {spec: comparisons.metric_genbench(spec) for spec in METRICS},
        {},
    ),
    "second-run": Stage(
        "The same score again from the cache, whole process",
        {"genbench": images.cached_genbench, "import torch": images.cached_torch},
        {},
    ),
    "help": Stage("genbench --help, whole process", {"genbench": images.help_genbench}, {}),
}
