"""The named recipes: which reference, which extractor, which metrics, how many samples. Frozen and versioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Benchmark:
    """A frozen recipe: two results that followed the same one can stand in one table.

    The splits never overlap: models are trained on ``train``, checkpoints are chosen on ``validation``, and scores are
    taken against ``reference``.
    """

    name: str
    version: int
    about: str
    reference: str
    """Source spec of the reference samples."""
    features: str
    """Extractor spec."""
    metrics: str
    """Metric specs."""
    count: int
    """How many generated samples are scored."""
    train: str
    validation: str
    real: str
    """Source spec of fresh real samples, the floor of every table; ``{seed}`` is filled in."""
    watch: str
    """Metric spec whose first score, lower the better, chooses the checkpoint on the validation split."""
    columns: tuple[str, ...]
    """The scores that a table of results shows; the first one sorts it."""
    steps: Mapping[str, int] = field(hash=False)
    """Training steps of each budget."""
    samplers: tuple[str, ...] = ("real", "gan", "wgan", "wgan-gp", "r3gan", "ae", "vae", "noise")
    """What ``genbench run`` trains when nothing is named."""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


DIGITS = Benchmark(
    name="digits",
    version=1,
    about="real 8x8 digits, 10 modes; 898 samples against the 899 of the held-out half; seconds",
    reference="digits,split=test",
    features="digits",
    metrics="fd,is,kid,subset_size=500,pr,prdc,modes",
    count=898,
    train="digits,split=fit",
    validation="digits,split=validation",
    real="digits,split=train",
    watch="fd",
    columns=(
        "fd@digits",
        "is@digits",
        "kd@digits",
        "precision@digits",
        "recall@digits",
        "coverage@digits",
        "modes@digits",
    ),
    steps={"quick": 500, "full": 6000},
    samplers=("real", "gan", "wgan", "wgan-gp", "r3gan", "cgan", "ae", "vae", "cvae", "noise"),
)

# perfect: within 3 std of a mean lie 1 - exp(-9 / 2) of a 2-D Gaussian
RING8 = Benchmark(
    name="ring8",
    version=1,
    about="2-D ring of 8 Gaussians, std .01, 8 modes; 2,500 points; seconds",
    reference="ring,count=2500,seed=2020",
    features="points,toy=ring",
    metrics="modes,target=uniform,perfect=0.988891,fd,swd,prdc",
    count=2500,
    train="ring,count=100000,seed=7",
    validation="ring,count=2500,seed=8",
    real="ring,count=2500,seed={seed}",
    watch="swd,projections=50",
    columns=(
        "mode_kl@points,toy=ring",
        "modes@points,toy=ring",
        "high_quality@points,toy=ring",
        "mode_kl_all@points,toy=ring",
        "swd@points,toy=ring",
    ),
    steps={"quick": 1500, "full": 6000},
)

GRID25 = Benchmark(
    name="grid25",
    version=1,
    about="2-D grid of 25 Gaussians, std .05, 25 modes; 2,500 points; seconds",
    reference="grid,count=2500,seed=2020",
    features="points,toy=grid",
    metrics="modes,target=uniform,perfect=0.988891,fd,swd,prdc",
    count=2500,
    train="grid,count=100000,seed=7",
    validation="grid,count=2500,seed=8",
    real="grid,count=2500,seed={seed}",
    watch="swd,projections=50",
    columns=(
        "mode_kl@points,toy=grid",
        "modes@points,toy=grid",
        "high_quality@points,toy=grid",
        "mode_kl_all@points,toy=grid",
        "swd@points,toy=grid",
    ),
    steps={"quick": 1500, "full": 6000},
)
