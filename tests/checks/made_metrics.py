"""Metrics that are made for the tests of the audit: an oracle in one dimension, a constant and a random one."""

from __future__ import annotations

from typing import Any

import numpy as np

from genbench import Score


class Constant:
    """Always the same value."""

    needs = ("embedding",)
    reference = "rows"

    def __call__(self, generated: Any, reference: Any, *, seed: int) -> list[Score]:
        return [Score("constant", 1.0, 0.1, "lower")]


class Random(Constant):
    """A random value that knows nothing of the rows' distribution."""

    def __call__(self, generated: Any, reference: Any, *, seed: int) -> list[Score]:
        digits = int.from_bytes(np.float64(generated["embedding"].sum()).tobytes(), "little")
        return [Score("random", float(np.random.default_rng((digits, seed)).normal()), 1.0, "lower")]


class Energy(Constant):
    """The energy distance over all coordinates, which sees every difference of distributions."""

    def __call__(self, generated: Any, reference: Any, *, seed: int) -> list[Score]:
        from scipy.spatial.distance import cdist

        x, y = (np.asarray(side["embedding"], np.float64) for side in (generated, reference))
        across, within = cdist(x, y).mean(), cdist(x, x).sum() / (len(x) * (len(x) - 1))
        return [
            Score("energy", float(2 * across - within - cdist(y, y).sum() / (len(y) * (len(y) - 1))), None, "lower")
        ]


class Spread(Constant):
    """Share of the reference's spread: a measure of diversity."""

    measures = "diversity"

    def __call__(self, generated: Any, reference: Any, *, seed: int) -> list[Score]:
        wide = [np.asarray(side["embedding"], np.float64).std(axis=0).mean() for side in (generated, reference)]
        return [Score("spread", float(min(1.0, wide[0] / wide[1])), None, "higher")]


class NotFinite(Constant):
    """A value that can never be computed."""

    def __call__(self, generated: Any, reference: Any, *, seed: int) -> list[Score]:
        return [Score("not_finite", float("nan"), None, "lower")]
