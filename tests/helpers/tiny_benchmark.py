"""A benchmark whose trainings take a moment."""

from dataclasses import replace

from genbench.benchmarks import RING8

TINY = replace(
    RING8,
    steps={"tiny": 40, "quick": 40},
    train="ring,count=500,seed=7",
    validation="ring,count=500,seed=8",
    reference="ring,count=500,seed=2020",
    metrics="modes,target=uniform",
    count=500,
)
