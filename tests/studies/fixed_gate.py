"""How often the gate is wrong with a fixed number of samples, by simulation: writes reports/fixed_gate.md.

``python -m tests.studies.fixed_gate`` takes a few minutes on one core. The rows are features of real digits by the
classifier in the package. Blurred digits stand for the model of the baseline; the population is known, because samples
are drawn from it with replacement.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

import genbench
from genbench.array_types import Float64
from genbench.comparison.estimates import Noise
from genbench.comparison.gate import gate
from genbench.comparison.gate_checks import RUNS, false_alarms
from genbench.comparison.multiple_testing import Contrast
from genbench.features.features import Features
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.plugs.contracts import GROUPS
from genbench.plugs.opening import open_subject
from genbench.results import Result
from tests.helpers.compared import result

PAGE = Path("reports/fixed_gate.md")
MARGIN = 0.1
REFERENCE = 2000
"""Number of rows of the reference."""


@cache
def populations() -> dict[str, Float64]:
    """Return the features of real digits, of blurred ones, and of some whose distance is a known factor larger."""
    source = open_subject("digits,split=all", ("sources",))
    images = np.concatenate([np.asarray(batch.data) for batch in source.batches(500)])
    blurred = np.stack([gaussian_filter(image, (0.7, 0.7, 0)) for image in images])
    real, soft = (
        np.asarray(genbench.features_of(array, features="digits", progress=False)["embedding"], np.float64)
        for array in (images, blurred)
    )
    rows = {"reference": real, "equal": soft}
    for name, factor in (("at the margin", 1 + MARGIN), ("20 % worse", 1.2), ("10 % better", 0.9)):
        rows[name] = moved(real, soft, factor)
    return rows


def moved(reference: Float64, rows: Float64, factor: float) -> Float64:
    """Move rows along the difference of the means until their Frechet distance is ``factor`` times as large."""
    (score, *_) = FrechetDistance()(Features.of(embedding=rows), Features.of(embedding=reference), seed=0)
    # a move changes the squared difference of the means only
    shift = rows.mean(axis=0) - reference.mean(axis=0)
    step = math.sqrt(1 + (factor - 1) * score.value / float(shift @ shift)) - 1
    return np.asarray(rows + step * shift)


def draw(name: str, count: int, rng: np.random.Generator) -> Features:
    rows = populations()[name]
    return Features.of(embedding=rows[rng.integers(len(rows), size=count)])


def scored(name: str, features: Features, reference: Features) -> Result:
    return result(name, *FrechetDistance()(features, reference, seed=0), reference=reference.fingerprint)


def outcome_rows(trials: int) -> list[str]:
    """Return how often each change passes, is undecided and fails."""
    lines = []
    for count in (900, 3600):
        for number, name in enumerate(("equal", "at the margin", "20 % worse", "10 % better")):
            outcomes: Counter[str] = Counter()
            for trial in range(trials):
                rng = np.random.default_rng([trial, number, count])
                reference = draw("reference", REFERENCE, rng)
                before = scored("before", draw("equal", count, rng), reference)
                after = scored("after", draw(name, count, rng), reference)
                (check,) = gate([after], [before], max_increase=f"{100 * MARGIN:.0f}%")
                outcomes[check.outcome] += 1
            cells = [share_with_error(outcomes[each], trials) for each in ("passed", "undecided", "failed")]
            lines.append(f"| {count:,} | {name} | {' | '.join(cells)} |")
    return lines


def alarm_rows(trials: int) -> list[str]:
    """Return how often an equal result fails against one fixed baseline, by theory and by simulation."""
    lines = []
    for label, allowed, size in (
        ("nothing", 0.0, 1.0),
        ("1 standard error", 1.0, 1.0),
        ("1 standard error, baseline of 4 N", 1.0, 4.0),
    ):
        noises = ((Noise(1.0, math.inf), 1.0), (Noise(1 / size, math.inf), -1.0))
        theory = false_alarms(Contrast(0.0, noises, np.zeros(GROUPS)), allowed, 0.95)
        # each baseline is drawn once, and each run anew
        rng = np.random.default_rng(0)
        baselines = rng.standard_normal((trials, 1)) / math.sqrt(size)
        failed = rng.standard_normal((trials, RUNS)) - baselines > allowed + 1.6449 * math.sqrt(1 + 1 / size)
        cells = [f"{100 * theory.average:.2g} %", f"{100 * failed.mean():.2g} %", f"{100 * theory.unlucky:.2g} %",
                 f"{100 * theory.in_many_runs:.2g} %", f"{100 * failed.any(axis=1).mean():.2g} %"]  # fmt: skip
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def share_with_error(count: int, trials: int) -> str:
    share = count / trials
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / trials):.1f} %"


def page(trials: int) -> str:
    """Return the page."""
    return "\n".join([
        "# How often the gate is wrong\n",
        "Simulations by `python -m tests.studies.fixed_gate`, with their Monte-Carlo errors. The number of samples is "
        "fixed.\n",
        f"## Outcomes at a margin of {100 * MARGIN:.0f} %\n",
        f"Features of digits, 64 dimensions, debiased Fréchet distance to {REFERENCE:,} rows; the baseline has as many "
        f"samples as the result, and all are drawn anew in each of {trials} trials. At the margin both decisions are "
        "wrong; 5 % each are allowed.\n",
        "| samples | the result is | passed | undecided | failed |", "|---:|---|---:|---:|---:|",
        *outcome_rows(trials),
        "\n## One baseline for many runs\n",
        "Normal scores, 95 % confidence. The baseline's error is that of all runs, so a baseline that is too good by "
        "chance fails equal results again and again. `gate` prints these rates. Unlucky: the rate against the baseline "
        f"at the worst 5 %. 100,000 baselines of {RUNS} runs each.\n",
        f"| allowed | average | simulated | unlucky baseline | any of {RUNS} runs | simulated |",
        "|---|---:|---:|---:|---:|---:|",
        *alarm_rows(100_000),
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    PAGE.write_text(page(100), encoding="utf-8")
