"""What trained models claim of themselves, as rows of a table: their critics' distances and their likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from genbench.results import Result
from genbench.tables.numbers import number_with_error

QUANTITIES = {"w1": "W1", "value": "the game's value, 2 JSD - ln 4"}


class Critic(NamedTuple):
    """A critic's estimate at the end of a training, beside the truth about the same points."""

    name: str
    seed: int
    quantity: str
    claimed: str
    exact: str
    floor: str
    """What the exact number would be for samples of the data themselves."""
    together: str
    """Rank correlation of claim and truth over the training."""


class Likelihood(NamedTuple):
    """Bounds of a model's log-likelihood of the reference, nats a sample, each with its standard error."""

    name: str
    seed: int
    given: str
    bounds: dict[str, str]


def critics(results: Sequence[Result]) -> list[Critic]:
    """Return what critics claimed, one row a trained model."""
    rows = []
    for result in results:
        critic = result.training.critic if result.training else None
        if critic is not None:
            together = critic.rank_correlation
            rows.append(
                Critic(
                    result.name,
                    result.replicate_seed,
                    QUANTITIES.get(critic.quantity, critic.quantity),
                    claimed=f"{critic.claimed:.4g}",
                    exact=f"{critic.exact:.4g}",
                    floor=f"{critic.floor:.4g}",
                    together="–" if together is None else f"{together:.2f}",
                )
            )
    return rows


def likelihoods(results: Sequence[Result]) -> list[Likelihood]:
    """Return the bounds that models gave, one row a trained model."""
    rows = []
    for result in results:
        told = [entry for entry in result.scores if entry.extractor == "likelihood"]
        if told:
            bounds = {entry.name: " ".join(number_with_error(entry.value, entry.error)) for entry in told}
            seed = result.replicate_seed
            rows.append(Likelihood(result.name, seed, str(told[0].detail.get("given", "nothing")), bounds))
    return rows
