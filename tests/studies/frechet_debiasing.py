"""Two sections of reports/errors.md: methods that remove the bias of a Frechet distance, and their cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from genbench.features.features import Features
from genbench.metrics.frechet.bias import Jackknife, extrapolation, jackknife
from genbench.metrics.frechet.error import uncertainty
from genbench.metrics.frechet.gaussian import terms
from genbench.metrics.frechet.pair import Pair
from genbench.metrics.frechet.sides import GaussianSide

DEBIASED: dict[str, Callable[[Pair], Any]] = {
    "jackknife, 20 blocks": lambda pair: jackknife(pair, blocks=20),
    "5 blocks": lambda pair: jackknife(pair, blocks=5),
    "1/N line, 15 sizes": extrapolation,
}


def debiasing(repeats: int) -> str:
    """Return the root mean square error and the time of the methods that remove the bias of a Frechet distance."""
    lines = [
        "### Methods to remove the bias\n",
        "Gaussians with mean .1 and std 1.1 against N(0, I): root mean square error, and time as a multiple of the "
        "time of one distance.\n",
        f"| d | N | true value | raw | {' | time | '.join(DEBIASED)} | time |",
        "|---" * (4 + 2 * len(DEBIASED)) + "|",
        *(debiased_row(*size, repeats) for size in ((16, 1000), (64, 150), (64, 500), (64, 2000))),
    ]
    return "\n".join(lines)


def debiased_row(dimensions: int, count: int, repeats: int) -> str:
    truth = dimensions * 2 * 0.1**2
    raw, raw_seconds = [], 0.0
    squares, seconds = dict.fromkeys(DEBIASED, 0.0), dict.fromkeys(DEBIASED, 0.0)
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        rows = [rng.standard_normal((count, dimensions)) * std + mean for std, mean in ((1.1, 0.1), (1.0, 0.0))]
        first, second = (GaussianSide.of(Features.of(embedding=array), "embedding") for array in rows)
        began = time.process_time()
        raw.append(sum(terms(first.gaussian, second.gaussian)))
        raw_seconds += time.process_time() - began
        for name, method in DEBIASED.items():
            began = time.process_time()
            debiased = method(Pair(first, second, repeat))
            seconds[name] += time.process_time() - began
            squares[name] += (getattr(debiased, "value", debiased) - truth) ** 2 / repeats
    cells = [f"{np.sqrt(squares[name]):.3g} | {seconds[name] / raw_seconds:.0f}" for name in DEBIASED]
    return f"| {dimensions} | {count} | {truth:.3g} | {np.mean(raw):.3g} | {' | '.join(cells)} |"


def cost(count: int, dimensions: int) -> str:
    """Return the table of the processor time of a distance, of its error and of its debiased value."""
    rng = np.random.default_rng(0)
    sets = [rng.standard_normal((count, dimensions), np.float32) * np.float32(1 + 0.1 * side) for side in range(2)]
    pair = [Features.of(embedding=rows) for rows in sets]
    sides: list[GaussianSide] = []
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> None:
        began = time.process_time()
        work()
        seconds[name] = time.process_time() - began

    timed(
        "moments and matrix roots of both sides",
        lambda: sides.extend(GaussianSide.of(features, "embedding") for features in pair),
    )
    timed("distance from them", lambda: terms(sides[0].gaussian, sides[1].gaussian))
    both = Pair(sides[0], sides[1], 0, 5)
    deleted: list[Jackknife | None] = []
    timed("debiased value, 5 blocks, and influence of all rows", lambda: deleted.append(jackknife(both)))
    timed("error of the distance from this influence", lambda: uncertainty(both, deleted[0]))
    distance = seconds["moments and matrix roots of both sides"] + seconds["distance from them"]
    lines = [f"| {name} | {taken:.1f} | {taken / distance:.1f} |" for name, taken in seconds.items()]
    return "\n".join([
        f"### Cost at N = M = {count:,}, d = {dimensions:,}\n",
        "Processor seconds on one thread; the first two rows together are one distance.\n",
        "| step | seconds | multiple of one distance |", "|---|---|---|", *lines,
    ])  # fmt: skip
