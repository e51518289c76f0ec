"""How often ranks are wrong, and how many differences they find, by simulation: writes reports/ranks.md.

``python -m tests.studies.rank_table`` takes some minutes on one core. The tables have ten identical models, so that
every difference beyond chance is a false statement; or the models of ``reports/digits.jsonl`` with their means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from genbench.array_types import Float64
from genbench.comparison.estimates import Noise, moderate
from genbench.comparison.group_by_subject import by_subject
from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.multiple_testing import Contrast, adjusted, step_down
from genbench.comparison.scales import LINEAR_TO, ScoreScale
from genbench.comparison.scored_subjects import ScoredSubjects
from genbench.plugs.contracts import GROUPS
from genbench.results import read_results

PAGE = Path("reports/ranks.md")
DIGITS = Path("reports/digits.jsonl")
MODELS = 10
LEVEL = 0.05
SAMPLING = 0.05
"""Standard deviation of the logarithm of a score due to the generated samples."""
SHARED = 0.02
"""Standard deviation of the logarithm of a score due to the reference, which all models share."""

Spreads = Callable[[np.random.Generator], Float64]
SCENARIOS: dict[str, tuple[Spreads, float]] = {
    "equal: sd .1": (lambda rng: np.full(MODELS, 0.1), 0.0),
    "equal: sd .05": (lambda rng: np.full(MODELS, 0.05), 0.0),
    "variances .1² χ²(4) / 4": (lambda rng: 0.1 * np.sqrt(rng.chisquare(4, MODELS) / 4), 0.0),
    "sd .01 or .5, at random": (lambda rng: rng.choice([0.01, 0.5], MODELS), 0.0),
    "one sd 1, the others .1": (lambda rng: rng.permutation([1.0, *[0.1] * (MODELS - 1)]), 0.0),
    "sd .1, and a seed in ten is 5 times worse": (lambda rng: np.full(MODELS, 0.1), 0.1),
}
"""For each null scenario: the spreads over seeds of one table, and the share of seeds that collapse."""


def drawn(rng: np.random.Generator, means: Float64, spreads: Float64, seeds: int, collapse: float = 0.0) -> Float64:
    """Draw the logarithms of scores, [models, seeds]."""
    shape = (len(means), seeds)
    values = means[:, None] + rng.standard_normal(shape) * np.hypot(spreads, SAMPLING)[:, None]
    return values + np.log(5) * (rng.random(shape) < collapse)


def new_p_values(values: Float64, draws: int) -> list[float]:
    """Return the p-values of all pairs as leaderboards compute them."""
    seeds = values.shape[1]
    moderated = moderate(values.var(axis=1, ddof=1), np.full(len(values), seeds))
    noises = [
        Noise(max(variance / seeds, SAMPLING**2 / seeds), degrees)
        for variance, degrees in zip(moderated.variances, moderated.degrees, strict=True)
    ]
    means = values.mean(axis=1)
    return step_down(contrasts(means, noises), draws=draws)


def contrasts(means: Float64, noises: Sequence[Noise]) -> list[Contrast]:
    """Return the differences of all pairs. The reference cancels, because all scores depend on it alike."""
    alone = np.zeros(GROUPS)
    return [
        Contrast(means[a] - means[b], ((noises[a], 1.0), (noises[b], -1.0)), alone)
        for a, b in combinations(range(len(means)), 2)
    ]


def old_p_values(values: Float64, draws: int) -> list[float]:
    """Return the p-values of Welch's t-test of the scores themselves with Holm's correction, as before."""
    from scipy import stats

    scores, seeds = np.exp(values), values.shape[1]
    own = (SAMPLING * scores) ** 2 / 1.0
    means, over_seeds, sampling = scores.mean(axis=1), scores.var(axis=1, ddof=1) / seeds, own.mean(axis=1) / seeds
    p_values = []
    for a, b in combinations(range(len(scores)), 2):
        # the larger of both variances; the sampling variance counts as known
        parts = [
            (over_seeds[i], seeds - 1.0) if over_seeds[i] > sampling[i] else (sampling[i], math.inf) for i in (a, b)
        ]
        total = sum(variance for variance, _ in parts)
        weighted = sum(variance**2 / degrees for variance, degrees in parts)
        degrees = total**2 / weighted if weighted else math.inf
        p_values.append(2 * float(stats.t.sf(abs(means[a] - means[b]) / math.sqrt(total), degrees)))
    return adjusted(p_values)


def share_text(count: float, trials: int) -> str:
    """Return a share in percent with its Monte-Carlo error."""
    share = count / trials
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / trials):.1f} %"


def null_rows(trials: int, old_trials: int, draws: int) -> list[str]:
    """Return how many tables of identical models have any false statement."""
    rows = []
    for number, (name, (spreads, collapse)) in enumerate(SCENARIOS.items()):
        cells = []
        for seeds, method, count in (
            (3, new_p_values, trials),
            (5, new_p_values, trials),
            (3, old_p_values, old_trials),
        ):
            rng = np.random.default_rng(number)
            false = sum(
                min(method(drawn(rng, np.zeros(MODELS), spreads(rng), seeds, collapse), draws)) < LEVEL
                for _ in range(count)
            )
            cells.append(share_text(false, count))
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def checkpoint_rows(trials: int, draws: int) -> list[str]:
    """Return the same for tables of checkpoints whose distances are debiased and near 0."""
    rows = []
    for unit in (1.0, LINEAR_TO):
        cells = []
        for mean in (0.0, 3.0, 10.0):
            rng, scale, false = np.random.default_rng(0), ScoreScale("asinh", unit), 0
            for _ in range(trials):
                values = mean + rng.standard_normal(MODELS)
                noises = [Noise(float(slope) ** 2, math.inf) for slope in scale.slope(values)]
                false += min(step_down(contrasts(scale.forward(values), noises), draws=draws)) < LEVEL
            cells.append(share_text(false, trials))
        rows.append(f"| asinh(x / {unit:.0f} SE) | {' | '.join(cells)} |")
    return rows


def power_rows(trials: int, draws: int) -> list[str]:
    """Return the share of pairs that are told apart, and the width of the ranks, for models like those of digits."""
    subjects = ScoredSubjects.of(by_subject(read_results(DIGITS)), "fd@digits")
    found = [each for name, each in subjects.estimates.items()]
    means = np.array([each.mean for each in found])
    spreads = np.array([each.spread or 0.0 for each in found])
    typical = next(each.typical_spread for each in found if each.typical_spread)
    collapsing = spreads > 3 * typical
    truths = {
        "all spreads as observed, one model collapses": spreads,
        "the collapsing model trains like the others": np.where(collapsing, typical, spreads),
        "equal spreads of .1": np.full(len(means), 0.1),
        "equal spreads of .15": np.full(len(means), 0.15),
    }
    rows = []
    for name, sds in truths.items():
        cells = []
        for seeds, method in ((3, new_p_values), (5, new_p_values), (3, old_p_values)):
            rng = np.random.default_rng(0)
            told = [np.mean(np.array(method(drawn(rng, means, sds, seeds), draws)) < LEVEL) for _ in range(trials)]
            # each pair that is not told apart makes the ranks of both wider by one
            width = (len(means) - 1) * (1 - np.mean(told))
            cells.append(f"{100 * np.mean(told):.0f} ± {100 * np.std(told) / math.sqrt(trials):.0f} %, {width:.1f}")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def page(trials: int, draws: int) -> str:
    """Return the page."""
    rows = leaderboard(read_results(DIGITS), "fd")
    width = np.mean([(row.last or 0) - (row.first or 0) for row in rows])
    return "\n".join([
        "# How often ranks are wrong, and how much they find\n",
        "Simulations by `python -m tests.studies.rank_table`, with their Monte-Carlo errors. *Now* is what "
        "leaderboards do: logarithms, spreads raised where they are small by luck, step-down max-T. *Before* is "
        "Welch's test of the scores themselves with Holm's correction.\n",
        "## False statements\n",
        f"Tables of {MODELS} identical models: the share with any false rank statement; 5 % are allowed. The logarithm "
        f"of a score has the given standard deviation over seeds and {SAMPLING} from sampling. {trials:,} tables.\n",
        "| spread over seeds | now, 3 seeds | now, 5 seeds | before, 3 seeds |", "|---|---:|---:|---:|",
        *null_rows(trials, trials // 4, draws),
        "\nTables of ten checkpoints (one seed each) of identical models, by a debiased distance near 0, in units of "
        "its standard error. Value and error on the scale are correlated, so the scale must be about linear near 0.\n",
        "| scale | true value 0 | 3 | 10 |", "|---|---:|---:|---:|",
        *checkpoint_rows(trials, draws),
        "\n## Power\n",
        "The true means are those of the 11 samplers of `digits` by fd; all 55 pairs differ. Share of pairs that "
        "are told apart, and mean width of the rank intervals (last minus first rank).\n",
        "| spread over seeds | now, 3 seeds | now, 5 seeds | before, 3 seeds |", "|---|---:|---:|---:|",
        *power_rows(trials // 10, draws),
        f"\nThe mean width of the ranks by fd in [digits](digits.md) is {width:.1f}.\n",
    ])  # fmt: skip


if __name__ == "__main__":
    PAGE.write_text(page(2000, 2000), encoding="utf-8")
