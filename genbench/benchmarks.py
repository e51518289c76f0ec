"""Benchmarks: fixed, versioned recipes of reference, extractor, metrics and number of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genbench.plugs import registry
from genbench.plugs.specs import REAL, parse_spec

UNCONDITIONAL = (REAL, "gan", "wgan", "wgan-gp", "r3gan", "ae", "vae", "noise")
WITH_CLASSES = (REAL, "gan", "wgan", "wgan-gp", "r3gan", "cgan", "ae", "vae", "cvae", "noise")

OF_CLASSES = ("fd", "is", "kd", "precision", "recall", "coverage", "modes", "class_consistency")
"""Columns of the benchmarks whose modes are the classes of a shipped classifier."""


@dataclass(frozen=True)
class Benchmark:
    """A fixed recipe. Two results of the same benchmark and version may be compared.

    The splits do not overlap: models are trained on ``train``, checkpoints are chosen on ``validation``, and scores are
    computed against ``reference``.
    """

    name: str
    """Name on the command line: ``genbench run NAME``."""
    version: int
    about: str
    reference: str
    """Source spec of the reference samples."""
    features: str
    """Extractor spec."""
    metrics: str
    """Metric specs."""
    count: int | None
    """Number of generated samples; None means as many as the reference has."""
    train: str
    validation: str
    real: str
    """Source spec of fresh real samples, the floor of every table. ``{seed}`` is replaced by the seed."""
    watch: str
    """Metric spec whose first score (lower is better) chooses the checkpoint on the validation split."""
    columns: tuple[str, ...]
    """Short names of the scores that a table shows; the first one orders the rows."""
    steps: Mapping[str, int] = field(hash=False)
    """Number of training steps of each budget."""
    samplers: tuple[str, ...] = UNCONDITIONAL
    """Samplers that ``genbench run`` trains by default."""
    labels: str = "equal"
    """How classes are requested of samplers that take them: equal, random or reference, as in ``--labels``."""
    density: str | None = None
    """The 2-D mixture of the data, if their density is known."""
    margins: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By short name of a score, a difference that does not matter: ``{"fd": "5%", "recall": "0.01"}``. By default it is
    10 %, or .02 for shares."""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def _mixture_benchmark(name: str, toy: str, about: str) -> Benchmark:
    return Benchmark(
        name=name,
        version=1,
        about=f"{about}; 2,500 points; a minute or two a model",
        reference=f"{toy},count=2500,seed=2020",
        features=f"points,toy={toy}",
        # a 2-D Gaussian has a share of 1 - exp(-9 / 2) within 3 std of its mean
        metrics=f"modes,target=uniform,perfect=0.988891,divergences,toy={toy},fd,swd,prdc",
        count=2500,
        train=f"{toy},count=100000,seed=7",
        validation=f"{toy},count=2500,seed=8",
        real=toy + ",count=2500,seed={seed}",
        watch="swd,projections=50",
        columns=("mode_kl", "modes", "high_quality", "reverse_kl", "jsd", "w1", "coverage"),
        steps={"quick": 1500, "full": 6000},
        density=toy,
    )


# 2-D mixtures: every divergence can be computed, because the density is known.
RING8 = _mixture_benchmark("ring8", "ring", "2-D ring of 8 Gaussians, std .01, 8 modes of known density")
GRID25 = _mixture_benchmark("grid25", "grid", "2-D grid of 25 Gaussians, std .05, 25 modes of known density")

# Digits: offline, with the classifiers inside the package as extractors.
DIGITS = Benchmark(
    name="digits",
    version=1,
    about="real 8x8 digits, 10 modes, offline; 898 samples against the 899 of the held-out half; a minute a model",
    reference="digits,split=test",
    features="digits",
    metrics="fd,is,kid,subset_size=500,pr,prdc,modes,classes",
    count=898,
    train="digits,split=fit",
    validation="digits,split=validation",
    real="digits,split=train",
    watch="fd",
    columns=OF_CLASSES,
    steps={"quick": 400, "full": 3000},
    samplers=WITH_CLASSES,
)

# MNIST: only the test file is needed, split into parts.
MNIST = Benchmark(
    name="mnist",
    version=1,
    about="28x28 digits of MNIST's t10k file alone, 10 modes; 4,000 samples; two minutes a model",
    reference="mnist,split=t10k-test",
    features="mnist",
    metrics="fd,is,kid,pr,prdc,modes,classes",
    count=4000,
    train="mnist,split=t10k-fit",
    validation="mnist,split=t10k-validation",
    real="mnist,split=t10k-train",
    watch="fd",
    columns=OF_CLASSES,
    steps={"quick": 300, "full": 1000},
    samplers=WITH_CLASSES,
)


def _stacked_benchmark(kind: str, about: str, stacks: int, full: int) -> Benchmark:
    name = f"stacked-{kind}"
    return Benchmark(
        name=name,
        version=1,
        about=f"{about}; three digits as red, green and blue, 1,000 modes; 26,000 samples, as published",
        reference=f"{name},split=test,count=26000,seed=2020",
        features=name,
        metrics="modes,target=uniform,fd",
        count=26_000,
        train=f"{name},split=fit,count={stacks},seed=7",
        validation=f"{name},split=validation,count=2000,seed=8",
        real=name + ",split=train,count=26000,seed={seed}",
        watch="fd",
        columns=("mode_kl", "modes", "modes_balanced", "fd"),
        steps={"quick": 500, "full": full},
        samplers=(REAL, "gan", "wgan-gp", "r3gan", "vae", "noise"),
    )


# Three digits as the channels of one image: 1,000 modes.
STACKED_DIGITS = _stacked_benchmark("digits", "real 8x8 digits, offline, two minutes a model", stacks=50_000, full=3000)
STACKED_MNIST = _stacked_benchmark(
    "mnist", "MNIST, trained on 128,000 stacks, an hour a model", stacks=128_000, full=20_000
)


def _image_benchmark(name: str, about: str, quick: int, full: int) -> Benchmark:
    return Benchmark(
        name=name,
        version=1,
        about=f"{about}; 10,000 samples against the test split by Inception, whose weights it needs; an hour a model",
        reference=f"{name},split=test",
        features="inception",
        metrics="fid,is,kid,pr,prdc",
        count=10_000,
        train=f"{name},split=fit",
        validation=f"{name},split=validation",
        real=f"{name},split=train",
        watch="fd@pixels",  # Inception on every checkpoint would take longer than the training
        columns=("fid", "is", "kid", "precision", "recall", "density", "coverage"),
        steps={"quick": quick, "full": full},
        samplers=UNCONDITIONAL,
    )


# FID with 10,000 samples; needs the data and the weights of Inception.
FASHION_MNIST = _image_benchmark("fashion-mnist", "28x28 images of clothes, 10 classes", 300, 20_000)
CIFAR10 = _image_benchmark("cifar10", "32x32 photographs in colour, 10 classes", 300, 50_000)


def folder(path: str, features: str = "inception", quick: int = 300, full: int = 5000) -> Benchmark:
    """Return a benchmark of the user's own data, ``folder,path=real/``: a folder, zip, npz or npy, split into parts.

    Half of the samples are the reference, two fifths the training split and a tenth the validation split.
    ``features`` is the extractor; ``quick`` and ``full`` are numbers of training steps.
    """
    # another extractor than Inception gives fd and kd, not fid and kid
    inception = features == "inception"
    prefix = "fid" if inception else "fd"
    return Benchmark(
        name=f"folder,path={path}" + ("" if inception else f",features={features}"),
        version=1,
        about=f"{path}: half of it is the reference",
        reference=f"part,path={path},split=test",
        features=features,
        metrics=f"{prefix},kid,subset_size=100,prdc",
        count=None,
        train=f"part,path={path},split=fit",
        validation=f"part,path={path},split=validation",
        real=f"part,path={path},split=train",
        watch="fd@pixels" if inception else "fd",
        columns=(prefix, "kid" if inception else "kd", "density", "coverage"),
        steps={"quick": quick, "full": full},
    )


def open_benchmark(benchmark: str | Benchmark) -> Benchmark:
    """Return the benchmark of a spec, or the given one. Raises UsageError for an unknown name."""
    opened: Benchmark = registry.load("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    return opened


def installed_benchmark(benchmark: str | None) -> Benchmark | None:
    """Return the installed benchmark of a result's ``NAME@VERSION``; None if its version is another one."""
    name = (benchmark or "").rpartition("@")[0]
    if not name or parse_spec(name).name not in registry.installed("benchmarks"):
        return None
    opened = open_benchmark(name)
    return opened if str(opened) == benchmark else None
