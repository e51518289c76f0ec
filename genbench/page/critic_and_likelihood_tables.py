"""Tables about trained models: the critics' estimates of the distance, and the log-likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from genbench.results import Result
from genbench.results.rounding import number_with_error

QUANTITY_NAMES = {"w1": "W1", "value": "value of the game, 2 JSD - ln 4"}


class CriticRow(NamedTuple):
    """A critic's estimate at the end of training and the exact value for the same points, as text."""

    name: str
    seed: int
    quantity: str
    estimate: str
    exact: str
    floor: str
    """The exact value for samples of the data distribution itself."""
    correlation: str
    """Rank correlation of the estimate and the exact value over the training."""


class LikelihoodRow(NamedTuple):
    """Log-likelihood of the reference, in nats a sample, or its bounds."""

    name: str
    seed: int
    given: str
    """The condition of the likelihood: ``class`` or ``nothing``."""
    bounds: dict[str, str]
    """Value and standard error of each bound, as text."""


def critic_rows(results: Sequence[Result]) -> list[CriticRow]:
    """Return one row for each trained model that has a critic's estimate."""
    rows = []
    # only trainings on 2-D benchmarks with a known density have an exact value
    for result in results:
        critic = result.training.critic if result.training else None
        if critic is not None:
            # the correlation is undefined if the critic never changed
            correlation = critic.rank_correlation
            rows.append(
                CriticRow(
                    result.name,
                    result.replicate_seed,
                    QUANTITY_NAMES.get(critic.quantity, critic.quantity),
                    estimate=f"{critic.claimed:.4g}",
                    exact=f"{critic.exact:.4g}",
                    floor=f"{critic.floor:.4g}",
                    correlation="–" if correlation is None else f"{correlation:.2f}",
                )
            )
    return rows


def likelihood_rows(results: Sequence[Result]) -> list[LikelihoodRow]:
    """Return one row for each trained model that has a log-likelihood."""
    rows = []
    for result in results:
        # run adds these entries; they come from the sampler and not from an extractor
        entries = [entry for entry in result.scores if entry.extractor == "likelihood"]
        if entries:
            bounds = {entry.name: " ".join(number_with_error(entry.value, entry.error)) for entry in entries}
            given = str(entries[0].detail.get("given", "nothing"))
            rows.append(LikelihoodRow(result.name, result.replicate_seed, given, bounds))
    return rows
