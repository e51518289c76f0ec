"""The named recipes: which reference, which extractor, which metrics, how many samples. Frozen and versioned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Benchmark:
    """A frozen recipe: two results that followed the same one can stand in one table."""

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

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


DIGITS = Benchmark(
    name="digits",
    version=1,
    about="real 8x8 digits: 10 modes; reference: the 899 held-out ones, train on digits,split=train",
    reference="digits,split=test",
    features="digits",
    metrics="fd,is,kid,subset_size=500,pr,prdc,modes",
    count=898,
)

# perfect: within 3 std of a mean lie 1 - exp(-9 / 2) of a 2-D Gaussian
RING8 = Benchmark(
    name="ring8",
    version=1,
    about="2-D ring of 8 Gaussians, std .01: 8 modes; 2,500 points",
    reference="ring,count=2500,seed=2020",
    features="points,toy=ring",
    metrics="modes,target=uniform,perfect=0.988891,fd,swd,prdc",
    count=2500,
)

GRID25 = Benchmark(
    name="grid25",
    version=1,
    about="2-D grid of 25 Gaussians, std .05: 25 modes; 2,500 points",
    reference="grid,count=2500,seed=2020",
    features="points,toy=grid",
    metrics="modes,target=uniform,perfect=0.988891,fd,swd,prdc",
    count=2500,
)
