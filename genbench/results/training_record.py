"""How ``run`` trained the sampler of a result, and what a trained critic estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from genbench.files.json_records import Count, read_record


@dataclass(frozen=True)
class CriticRecord:
    """The distance that a trained critic estimates on a 2-D benchmark, beside the exact one."""

    quantity: str
    """``"w1"`` (Wasserstein-1 distance) or ``"value"`` (2 JSD - ln 4 of the GAN game, in nats)."""
    claimed: float
    """The critic's estimate at the end of training."""
    exact: float
    floor: float
    """Expectation of ``exact`` for samples of the data distribution itself: its bias at this number of samples."""
    rank_correlation: float | None = None
    """Spearman correlation of ``claimed`` and ``exact`` over the training; None if undefined."""


@dataclass(frozen=True)
class TrainingRecord:
    """How ``run`` trained the sampler of a result. A sampler without training has only a budget and a seed."""

    budget: str
    seed: int
    benchmark: str = ""
    """``NAME@VERSION`` of the benchmark whose training split was used."""
    sampler: str = ""
    """Spec of the sampler."""
    steps: Count | None = None
    """Number of training steps; None if nothing was trained."""
    seconds: float = 0.0
    """Duration of the training, including the parts before interruptions."""
    chosen_step: Count = 0
    """Step of the chosen checkpoint; 0 if no checkpoint was saved."""
    chosen_by: str = ""
    """Metric and validation split that chose the checkpoint."""
    instability: float | None = None
    """Relative spread of the last quarter of the validation metric."""
    critic: CriticRecord | None = None

    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> TrainingRecord:
        """Return the record of ``to_dict``. Raises ValueError if the fields do not match."""
        return read_record(TrainingRecord, fields)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, without the fields that do not apply."""
        # a sampler that cannot be trained has no other fields
        if self.steps is None:
            return {"budget": self.budget, "seed": self.seed}
        return {name: value for name, value in asdict(self).items() if name != "critic" or value is not None}
