"""The named recipes: which reference, which extractor, which metrics, how many samples. Frozen and versioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genbench.plugs import registry
from genbench.plugs.specs import parse_spec

UNCONDITIONAL = ("real", "gan", "wgan", "wgan-gp", "r3gan", "ae", "vae", "noise")
WITH_CLASSES = ("real", "gan", "wgan", "wgan-gp", "r3gan", "cgan", "ae", "ae,prior=normal", "vae", "cvae", "noise")

OF_CLASSES = ("fd", "is", "kd", "precision", "recall", "coverage", "modes", "class_consistency")
"""The columns of a recipe whose modes are the classes of a shipped classifier."""


@dataclass(frozen=True)
class Benchmark:
    """A frozen recipe: two results that followed the same one can stand in one table.

    The splits never overlap: models are trained on ``train``, checkpoints are chosen on ``validation``, and scores are
    taken against ``reference``.
    """

    name: str
    """How it is written: ``genbench run NAME``."""
    version: int
    about: str
    reference: str
    """Source spec of the reference samples."""
    features: str
    """Extractor spec."""
    metrics: str
    """Metric specs."""
    count: int | None
    """How many generated samples are scored; None means as many as the reference has."""
    train: str
    validation: str
    real: str
    """Source spec of fresh real samples, the floor of every table; ``{seed}`` is filled in."""
    watch: str
    """Metric spec whose first score, lower the better, chooses the checkpoint on the validation split."""
    columns: tuple[str, ...]
    """The scores that a table of results shows, by their names before the @; the first one sorts it."""
    steps: Mapping[str, int] = field(hash=False)
    """Training steps of each budget."""
    samplers: tuple[str, ...] = UNCONDITIONAL
    """What ``genbench run`` trains when nothing is named."""
    density: str | None = None
    """The 2-D mixture that the data are drawn from, where its density is known."""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def _of_mixture(name: str, toy: str, about: str) -> Benchmark:
    return Benchmark(
        name=name,
        version=1,
        about=f"{about}; 2,500 points; a minute or two a model",
        reference=f"{toy},count=2500,seed=2020",
        features=f"points,toy={toy}",
        # perfect: within 3 std of a mean lie 1 - exp(-9 / 2) of a 2-D Gaussian
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


RING8 = _of_mixture("ring8", "ring", "2-D ring of 8 Gaussians, std .01, 8 modes of known density")
GRID25 = _of_mixture("grid25", "grid", "2-D grid of 25 Gaussians, std .05, 25 modes of known density")

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
    steps={"quick": 250, "full": 3000},
    samplers=WITH_CLASSES,
)

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


def _of_stacks(kind: str, about: str, stacks: int, full: int) -> Benchmark:
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
        samplers=("real", "gan", "wgan-gp", "r3gan", "vae", "noise"),
    )


STACKED_DIGITS = _of_stacks("digits", "real 8x8 digits, offline, two minutes a model", stacks=50_000, full=3000)
STACKED_MNIST = _of_stacks("mnist", "MNIST, trained on 128,000 stacks, an hour a model", stacks=128_000, full=20_000)


def _of_images(name: str, about: str, quick: int, full: int) -> Benchmark:
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


FASHION_MNIST = _of_images("fashion-mnist", "28x28 images of clothes, 10 classes", 300, 20_000)
CIFAR10 = _of_images("cifar10", "32x32 photographs in colour, 10 classes", 300, 50_000)


def folder(path: str, features: str = "inception", quick: int = 300, full: int = 5000) -> Benchmark:
    """Return anyone's own data as a recipe, ``folder,path=real/``: folder, zip, npz or npy, cut into parts.

    Half of the samples are the reference; models are trained on two fifths and chosen on a tenth. ``features`` names
    the extractor, ``quick`` and ``full`` the training steps.
    """
    own = features == "inception"
    prefix = "fid" if own else "fd"
    return Benchmark(
        name=f"folder,path={path}" + ("" if own else f",features={features}"),
        version=1,
        about=f"{path}: half of it is the reference",
        reference=f"part,path={path},split=test",
        features=features,
        metrics=f"{prefix},kid,subset_size=100,prdc",
        count=None,
        train=f"part,path={path},split=fit",
        validation=f"part,path={path},split=validation",
        real=f"part,path={path},split=train",
        watch="fd@pixels" if own else "fd",
        columns=(prefix, "kid" if own else "kd", "density", "coverage"),
        steps={"quick": quick, "full": full},
    )


def followed(benchmark: str | None) -> Benchmark | None:
    """Return the installed recipe that a result's ``NAME@VERSION`` means, where it is the same version."""
    name = (benchmark or "").rpartition("@")[0]
    if not name or parse_spec(name).name not in registry.installed("benchmarks"):
        return None
    recipe: Benchmark = registry.load("benchmarks", name)
    return recipe if str(recipe) == benchmark else None
