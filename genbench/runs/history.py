"""The history of a training: what was measured at each watched step, with its JSON format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from genbench.files.json_lines import read_json_lines
from genbench.files.json_records import Count, Must, plain_data, read_value
from genbench.results import CriticRecord


@dataclass(frozen=True)
class WatchedStep:
    """What was measured at one step of a training."""

    step: int
    losses: Mapping[str, float]
    """Losses by name, as the sampler reported them."""
    validation: float
    """Value of the watched metric on the validation split; lower is better."""
    kept: bool
    """Whether the weights of this step were saved as the best ones so far."""
    seconds: float = 0.0
    """Duration of the training up to this step."""
    critic: CriticRecord | None = None
    """The critic's estimate of the distance; None on benchmarks whose density is unknown."""

    @property
    def quantities(self) -> dict[str, float]:
        """Every quantity that a chart shows, by name."""
        return {**self.losses, **self._estimate("claimed", "exact"), "validation": self.validation}

    @staticmethod
    def from_json(data: object) -> WatchedStep:
        """Return the step of one JSON object, in which losses and the critic's estimate stand beside the other keys.

        Raises ValueError for missing keys and for values of the wrong type.
        """
        if not isinstance(data, dict):
            raise ValueError("it is no object")
        # older histories have no seconds
        for name in ("step", "validation", "kept"):
            if name not in data:
                raise ValueError(f"{name} is missing")
        # the losses have names of the sampler's choice, so they are the keys that remain at the end
        losses = {name: read_value(_STEP_TYPES.get(name, float), value, name) for name, value in data.items()}
        known = {name: losses.pop(name) for name in _STEP_TYPES if name in data}
        critic = None
        # claimed_w1, exact_w1 and floor_w1 are one CriticRecord
        # a loss may have a similar name, so all three must exist
        for quantity in [name.removeprefix("claimed_") for name in data if name.startswith("claimed_")]:
            names = [f"{kind}_{quantity}" for kind in ("claimed", "exact", "floor")]
            if all(name in losses for name in names):
                critic = CriticRecord(quantity, *(losses.pop(name) for name in names))
        return WatchedStep(losses=losses, critic=critic, **{**known, "kept": bool(known["kept"])})

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of this step; null stands for NaN and infinity."""
        measured = {**self.losses, **self._estimate("claimed", "exact", "floor"), "validation": self.validation}
        record: dict[str, Any] = plain_data(measured)
        return {"step": self.step, **record, "kept": float(self.kept), "seconds": self.seconds}

    def _estimate(self, *names: str) -> dict[str, float]:
        """Return numbers of the critic under keys that contain the quantity: ``claimed_w1``, ``exact_w1``."""
        return {f"{name}_{self.critic.quantity}": getattr(self.critic, name) for name in names} if self.critic else {}


_STEP_TYPES: Mapping[str, Any] = {
    "step": Count,
    "validation": float,
    "kept": Annotated[float, Must("0 or 1", lambda kept: kept in (0, 1))],
    "seconds": Annotated[float, Must("0 or more", lambda seconds: seconds >= 0)],
}
"""The keys of a step that are no losses, and the types of their values."""


@dataclass(frozen=True)
class History:
    """The watched steps of one training, in their order."""

    steps: tuple[WatchedStep, ...] = ()

    @property
    def chosen_step(self) -> int:
        """The last step whose weights were kept; 0 if there is none.

        Weights are kept if their validation value is at most one standard error above the best one before. Among
        checkpoints that cannot be distinguished, the one with the longest training is thus chosen.
        """
        return max((step.step for step in self.steps if step.kept), default=0)

    @staticmethod
    def read(path: Path) -> History:
        """Return the history of a JSON-lines file. Raises InputError that names the file and the invalid line."""
        steps: list[WatchedStep] = []

        def following(data: object) -> WatchedStep:
            steps.append(WatchedStep.from_json(data))
            if len(steps) > 1 and steps[-1].step <= steps[-2].step:
                raise ValueError(f"step {steps[-1].step} follows step {steps[-2].step}")
            return steps[-1]

        noun, advice = "a step of a training", "run the sampler again, or delete the file"
        return History(tuple(read_json_lines(path, following, noun=noun, advice=advice)))

    def before(self, step: int) -> tuple[WatchedStep, ...]:
        """Return the steps before ``step``."""
        return tuple(earlier for earlier in self.steps if earlier.step < step)

    def extended(self, step: WatchedStep) -> History:
        """Return the history up to a new step."""
        # a resumed training starts at its last checkpoint and measures the steps after it again
        return History((*self.before(step.step), step))
