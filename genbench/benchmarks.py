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
    """The scores that a table of results shows, by their names before the @; the first one sorts it."""
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
    columns=("fd", "is", "kd", "precision", "recall", "coverage", "modes"),
    steps={"quick": 500, "full": 6000},
    samplers=("real", "gan", "wgan", "wgan-gp", "r3gan", "cgan", "ae", "vae", "cvae", "noise"),
)


def _of_mixture(name: str, toy: str, about: str) -> Benchmark:
    return Benchmark(
        name=name,
        version=1,
        about=f"{about}; 2,500 points; seconds",
        reference=f"{toy},count=2500,seed=2020",
        features=f"points,toy={toy}",
        # perfect: within 3 std of a mean lie 1 - exp(-9 / 2) of a 2-D Gaussian
        metrics="modes,target=uniform,perfect=0.988891,fd,swd,prdc",
        count=2500,
        train=f"{toy},count=100000,seed=7",
        validation=f"{toy},count=2500,seed=8",
        real=toy + ",count=2500,seed={seed}",
        watch="swd,projections=50",
        columns=("mode_kl", "modes", "high_quality", "mode_kl_all", "swd"),
        steps={"quick": 1500, "full": 6000},
    )


RING8 = _of_mixture("ring8", "ring", "2-D ring of 8 Gaussians, std .01, 8 modes")
GRID25 = _of_mixture("grid25", "grid", "2-D grid of 25 Gaussians, std .05, 25 modes")
