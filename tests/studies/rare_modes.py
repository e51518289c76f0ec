"""Coverage of captured modes, many and rare, and of shares near their bounds, for reports/errors.md."""

from __future__ import annotations

import numpy as np

from genbench.array_types import Float64
from genbench.metrics.modes import mode_coverage
from genbench.metrics.share_intervals import wilson_interval


def rare(share: float) -> Float64:
    """Return the shares of ten equal modes and of a rare one."""
    return np.append(np.full(10, (1 - share) / 10), share)


SCENARIOS: dict[str, tuple[Float64, int, int]] = {
    "10 equal modes": (np.full(10, 0.1), 898, 899),
    "1,000 equal modes": (np.full(1000, 0.001), 1000, 10_000),
    "1,000 equal modes, small reference": (np.full(1000, 0.001), 1000, 1000),
    "500 modes with shares 1 / k": (1 / np.arange(1, 501) / (1 / np.arange(1, 501)).sum(), 2000, 20_000),
    "one mode of share .0005": (rare(0.0005), 1000, 20_000),
    "one mode of share .001": (rare(0.001), 1000, 20_000),
    "one mode of share .003": (rare(0.003), 1000, 20_000),
}
"""The shares of the modes, the number of generated samples, and that of the reference."""


def captured_row(name: str, repeats: int) -> str:
    """Return how often the interval of the number of captured modes contains its expected value at this count.

    The expected value is the mean over all repeats. Two draws of one model, scored against one reference, should not
    differ significantly.
    """
    shares, count, size = SCENARIOS[name]
    rng, values, errors, own = np.random.default_rng(count), [], [], []
    for _ in range(repeats):
        target = rng.multinomial(size, shares).astype(np.float64)
        for _ in range(2):
            mode = rng.choice(len(shares), count, p=shares)
            found = mode_coverage(mode, modes=len(shares), target=target).captured
            values.append(found.value)
            errors.append(found.error)
            own.append(found.error**2 - found.reference_error**2)
    value, error = np.array(values), np.array(errors)
    # the two draws of each repeat share the reference
    apart = value[::2] - value[1::2]
    limit = 1.96 * np.sqrt(np.array(own[::2]) + np.array(own[1::2]))
    covered = np.mean(np.abs(value - value.mean()) <= 1.96 * error)
    return (
        f"| {name} | {count:,} | {size:,} | {value.mean():.5g} | {value.std(ddof=1):.3g} | "
        f"{np.sqrt(np.mean(error**2)):.3g} | {100 * covered:.1f} % | {100 * np.mean(np.abs(apart) > limit):.1f} % |"
    )


def share_row(share: float, count: int, repeats: int) -> str:
    """Return how often the interval of ``high_quality`` contains the true share."""
    found = np.random.default_rng(count).binomial(count, share, repeats) / count
    ends = [wilson_interval(each, count) for each in found.tolist()]
    inside = np.mean([low <= share <= high for low, high in ends])
    return f"| {share} | {count:,} | {100 * inside:.1f} % |"


def rare_modes(repeats: int) -> str:
    """Return the sections on modes and on shares near their bounds."""
    chance = 100 * np.sqrt(0.95 * 0.05 / repeats)
    return "\n".join([
        f"### Captured modes (`modes`), {repeats} draws of the reference and two of the samples for each\n",
        f"The true value is the expected number at this count; coverage has a standard error of up to {chance:.1f} "
        "percentage points. The last column says how often two draws of one model differ significantly.\n",
        "| modes | N | M | mean | spread | error | covered | two draws differ |", "|---|---|---|---|---|---|---|---|",
        *(captured_row(name, repeats) for name in SCENARIOS),
        f"\n### Shares near their bounds (`high_quality`), {10 * repeats:,} draws\n",
        "| true share | N | covered |", "|---|---|---|",
        *(share_row(share, count, 10 * repeats) for share in (0.9, 0.99, 0.999) for count in (100, 1000)),
    ])  # fmt: skip
