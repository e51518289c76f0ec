"""Stacked digits: three random digits as the red, green and blue channel. There are 1,000 equally likely modes."""

from __future__ import annotations

import numpy as np

from genbench.errors import UsageError
from genbench.plugs.contracts import Source
from genbench.sources.datasets import mnist
from genbench.sources.digits import digits
from genbench.sources.memory import ArraySource


def stacked_digits(split: str = "train", count: int = 26_000, seed: int = 0) -> ArraySource:
    """Return ``count`` stacks of three 8x8 digits of a split of ``digits``, uint8 [N, 3, 8, 8], class 0..999.

    This needs no download and has the same 1,000 modes as Stacked MNIST. Raises UsageError for an unknown split, a
    count below 1 or a negative seed.
    """
    return _stack(digits(split), "stacked-digits", split, count, seed)


def stacked_mnist(
    split: str = "train", count: int = 26_000, seed: int = 0, root: str | None = None, download: bool = False
) -> ArraySource:
    """Return ``count`` stacks of three MNIST digits (Metz et al. 2016, arXiv 1611.02163), uint8 [N, 3, 28, 28].

    Digits are drawn uniformly from the images of a split of ``mnist``; the class is 100 r + 10 g + b. Raises
    UsageError for an unknown split, a count below 1 or a negative seed, InputError if MNIST is not on this computer.
    """
    return _stack(mnist(split, root, download), "stacked-mnist", split, count, seed)


def _stack(base: Source, name: str, split: str, count: int, seed: int) -> ArraySource:
    # the values may come from the command line, so their types are checked
    if not isinstance(count, int) or count < 1 or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"{name} needs a count of 1 or more and a seed of 0 or more, both whole numbers.")
    # all digits in one batch: they have the same size and known classes
    (batch,) = base.batches(len(base))
    assert not isinstance(batch.data, list)
    assert batch.label is not None
    # three digits per stack, one per channel
    rows = np.random.default_rng(seed).integers(len(base), size=(count, 3))
    images = batch.data[:, 0][rows]  # [count, 3, H, W]
    labels = batch.label[rows] @ np.array([100, 10, 1])
    source = ArraySource(images, labels=labels, name=f"{name},split={split},count={count},seed={seed}")
    source.class_names = tuple(f"{number:03}" for number in range(1000))
    return source
