"""The stages, their contestants, and the targets of genbench."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.speed import commands, comparisons, decoding, drawing, images
from tests.speed.material import Sizes, Timed
from tests.speed.targets import Target, at_least, seconds

Contestant = Callable[[Path, Sizes], Timed]


@dataclass(frozen=True)
class Stage:
    """One table of the report, with a row for each contestant; the others are compared with the first."""

    title: str
    contestants: Mapping[str, Contestant]
    targets: Sequence[Target] = ()
    minutes: float = 1
    """Estimated duration on two idle cores, with five rounds and one of the slow contestants."""
    slow: Collection[str] = ()
    """Contestants that take so long that they run in few rounds."""
    count: int = 160
    """Images on each side."""
    images: Callable[[Sizes], int] | None = None
    """Number of images that each contestant processes, for the column of images per second."""
    chosen: bool = True
    """Whether it runs unless other stages are chosen."""


METRICS = (
    "pr,prdc", "clipped", "sympr", "pppr", "prd", "mmd", "cmmd", "spectral", "c2st", "c2st,classifier=forest",
    "c2st,classifier=mlp", "c2st,classifier=1nn", "ct", "fld", "mifid", "memorised", "vendi", "vendi_per_class",
    "rrke,sigma=10", "tstr", "mind,swd",
)  # fmt: skip
"""Metrics that are timed alone."""

PRODUCT = "its multiplications as one matrix product"
OPENVINO = "genbench --backend openvino"


def _both_sides(sizes: Sizes) -> int:
    return 2 * sizes.count


def _end_to_end(count: int, minutes: float, least: Sequence[Target]) -> Stage:
    return Stage(
        f"End to end, {count:,} images on each side, whole process, imports included",
        {
            "genbench": images.end_to_end_genbench,
            OPENVINO: images.end_to_end_genbench_openvino,
            PRODUCT: images.end_to_end_product,
            "torch-fidelity": images.end_to_end_torch_fidelity,
        },
        least,
        minutes,
        # the targets are those of the larger number
        ("torch-fidelity",) if count >= 1000 else ("torch-fidelity", OPENVINO),
        count,
        _both_sides,
    )


STAGES = {
    "end-to-end-300": _end_to_end(300, 6.7, (Target("torch-fidelity", over="genbench"), Target(PRODUCT))),
    "end-to-end-1000": _end_to_end(
        1000,
        28.5,
        (
            Target(PRODUCT, at_least=0.92, over="genbench"),
            Target(PRODUCT, at_least=1.0, over=OPENVINO),
            Target("torch-fidelity", over="genbench"),
            Target("torch-fidelity", over=OPENVINO),
        ),
    ),
    "memory": Stage(
        "Memory end to end, 160 images on each side",
        {
            "genbench": images.end_to_end_genbench,
            OPENVINO: images.end_to_end_genbench_openvino,
            "torch-fidelity": images.end_to_end_torch_fidelity,
        },
        (
            Target("genbench", "megabytes", at_most=900),
            Target(OPENVINO, "megabytes", at_most=600),
            Target(OPENVINO, "megabytes", at_most=0.35, over="torch-fidelity"),
        ),
        1.7,
        ("genbench", OPENVINO, "torch-fidelity"),
        images=_both_sides,
    ),
    "second-run": Stage(
        "The same score again from the cache, whole process",
        {
            commands.IMPORTS: commands.imports,
            "genbench score, all in the cache": commands.cached_score,
            f"{OPENVINO}, all in the cache": commands.cached_score_openvino,
            "import torch": commands.import_torch,
        },
        (
            Target("genbench score, all in the cache", at_most=1.5, over=commands.IMPORTS),
            Target(f"{OPENVINO}, all in the cache", at_most=1.5, over=commands.IMPORTS),
        ),
        1.3,
    ),
    "commands": Stage(
        "Commands, whole process",
        {
            "genbench --help": commands.helped,
            "genbench list": commands.listed,
            "genbench inspect FOLDER": commands.inspected,
            "genbench score with a mistyped path": commands.mistyped,
            "genbench table": commands.tabulated,
            "genbench gate": commands.gated,
            "genbench compare": commands.compared,
        },
        (
            *seconds({"genbench list": 0.6, "genbench inspect FOLDER": 1.0}),
            *seconds({"genbench score with a mistyped path": 0.5}),
            *seconds({"genbench table": 0.8, "genbench gate": 0.8, "genbench compare": 0.8}),
        ),
        0.5,
    ),
    "distance-few": Stage(
        "Frechet distance, a quarter as many rows as dimensions",
        {
            "genbench": comparisons.few_rows_genbench,
            "torch-fidelity": comparisons.few_rows_torch_fidelity,
            "torchmetrics": comparisons.few_rows_torchmetrics,
            "pytorch-fid": comparisons.few_rows_pytorch_fid,
        },
        at_least("genbench", {"torch-fidelity": 55, "torchmetrics": 50, "pytorch-fid": 50}),
        1.7,
        ("pytorch-fid",),
    ),
    "fid": Stage(
        "FID with moments, error and debiased value (no peer computes an error), beside one distance from moments",
        {
            "one distance": comparisons.distance_genbench,
            "FID, error, debiased value": comparisons.error_genbench,
            "the same, new subject, cached reference": comparisons.cached_reference_genbench,
        },
        (
            Target("FID, error, debiased value", at_most=7, over="one distance"),
            Target("the same, new subject, cached reference", over="one distance"),
        ),
        2.2,
    ),
    "neighbours": Stage(
        "Precision, recall, density, coverage",
        {"genbench (and errors)": comparisons.metric_genbench("prdc"), "prdc": comparisons.neighbours_prdc},
        at_least("genbench (and errors)", {"prdc": 4.0}),
        1.4,
        ("prdc",),
    ),
    "sampling": Stage(
        f"A sampler that takes as long as the extractor, {drawing.CHUNKS} chunks, one core for each",
        {"side by side": drawing.side_by_side, "one after the other": drawing.one_after_the_other},
        at_least("side by side", {"one after the other": 1.6}),
        3,
    ),
    "decoding": Stage(
        "A folder of PNG of 512 x 512 pixels: Inception with decoding and resizing, and the network alone",
        {
            "genbench": decoding.folder_genbench,
            "the network alone, decoded and resized before": decoding.network_alone,
            "decoding alone": decoding.decoding_alone,
        },
        (Target("the network alone, decoded and resized before", at_least=0.95, over="genbench"),),
        2.2,
        images=lambda sizes: 32 * sizes.batches,
    ),
    "forward": Stage(
        "Inception with its resize, network built and warm",
        {
            "genbench": images.forward_genbench,
            OPENVINO: images.forward_genbench_openvino,
            "torch-fidelity": images.forward_torch_fidelity,
            PRODUCT: images.forward_product,
        },
        at_least("genbench", {"torch-fidelity": 2.0, PRODUCT: 0.85}),
        4,
        images=lambda sizes: 32 * sizes.batches,
        chosen=False,
    ),
    "end-to-end-peers": Stage(
        "FID end to end beside further peers, whole process",
        {
            "genbench": images.end_to_end_genbench,
            "pytorch-fid": images.end_to_end_pytorch_fid,
            "clean-fid": images.end_to_end_clean_fid,
            "torchmetrics": images.end_to_end_torchmetrics,
        },
        at_least("genbench", {"pytorch-fid": 2.5, "clean-fid": 2.5, "torchmetrics": 2.2}),
        6,
        ("pytorch-fid", "clean-fid", "torchmetrics"),
        images=_both_sides,
        chosen=False,
    ),
    "precision": Stage(
        "bfloat16 compared with float32: the change of the distance (random weights exaggerate it)",
        {"fp32": images.precision_fp32, "bf16": images.precision_bf16},
        minutes=3,
        chosen=False,
    ),
    "resize": Stage(
        "Resize of 32 to 299 pixels",
        {"genbench": images.resize_genbench, "torch-fidelity": images.resize_torch_fidelity},
        at_least("genbench", {"torch-fidelity": 8.0}),
        chosen=False,
    ),
    "distance": Stage(
        "Frechet distance, more rows than dimensions",
        {
            "genbench": comparisons.distance_genbench,
            "torch-fidelity": comparisons.distance_torch_fidelity,
            "torchmetrics": comparisons.distance_torchmetrics,
            "pytorch-fid": comparisons.distance_pytorch_fid,
        },
        at_least("genbench", {"torch-fidelity": 3.0, "torchmetrics": 4.0, "pytorch-fid": 10.0}),
        2.5,
        ("pytorch-fid",),
        chosen=False,
    ),
    "pairs": Stage(
        "KID and precision/recall",
        {
            "genbench (and errors)": comparisons.metric_genbench("kid,pr"),
            "torch-fidelity": comparisons.pairs_torch_fidelity,
        },
        at_least("genbench (and errors)", {"torch-fidelity": 2.5}),
        1.6,
        ("torch-fidelity",),
        chosen=False,
    ),
    "neighbour-family": Stage(
        "All metrics that count neighbours, in one pass",
        {
            "genbench pr,prdc,clipped,sympr,pppr": comparisons.metric_genbench("pr,prdc,clipped,sympr,pppr"),
            "genbench pr,prdc": comparisons.metric_genbench("pr,prdc"),
        },
        (Target("genbench pr,prdc,clipped,sympr,pppr", at_most=1.3, over="genbench pr,prdc"),),
        2,
        chosen=False,
    ),
    "metrics": Stage(
        "Each metric alone, with its error",
        {spec: comparisons.metric_genbench(spec) for spec in METRICS},
        minutes=17,
        chosen=False,
    ),
}
