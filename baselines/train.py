"""The one training loop: seeded, resumable, watched; the last good checkpoint survives a loss that is no number."""

from __future__ import annotations

import copy
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from baselines.data import Source, TrainingData, as_samples

Watch = Callable[[int, dict[str, float]], None]
"""Called after each step with its number and its losses."""

KEPT_EVERY = 500
"""Steps between two checkpoints."""


class Baseline(ABC):
    """A model that a page of this folder describes; the page says what it is made of and what one step does.

    A page is a dataclass whose fields are the recipe. It offers ``fit``, ``sample``, ``save`` and ``load``.
    """

    latent: int
    batch_size: int
    average: float
    """Decay of the exponential moving average of weights that samples are drawn with; 0 draws with the last weights."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make ``networks`` and ``optimisers`` for samples of that shape."""

    @abstractmethod
    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Train once and return the losses; ``progress`` goes from 0 to 1."""

    @abstractmethod
    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """Return samples of ``networks["generator"]``, as the network scales them."""

    networks: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    averaged: nn.Module
    """The generator that samples are drawn with."""
    about: dict[str, Any]
    """What a checkpoint needs to be opened again: shape, classes, scale, steps."""

    def fit(
        self,
        source: Source,
        *,
        seed: int,
        steps: int,
        watch: Watch | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        """Train for ``steps`` steps, or go on from a checkpoint of the same run that was cut off.

        Raises FloatingPointError where a loss is no longer finite; the checkpoint then holds the last good weights.
        """
        data = TrainingData.of(source)
        generator = torch.Generator().manual_seed(seed)
        self._begin(data.shape, data.classes, data.scale, steps, seed)
        done = self._resume(checkpoint, generator, seed) if checkpoint is not None and checkpoint.exists() else 0
        with seeded(seed + done):
            for step in range(done, steps):
                losses = {name: float(loss.detach()) for name, loss in self.step(data, generator, step / steps).items()}
                if not all(math.isfinite(loss) for loss in losses.values()):
                    kept = f"; {checkpoint} holds the last good weights" if checkpoint is not None else ""
                    raise FloatingPointError(f"the loss is {losses} at step {step + 1}{kept}")
                self._take_average()
                if checkpoint is not None and ((step + 1) % KEPT_EVERY == 0 or step + 1 == steps):
                    self._keep(checkpoint, generator, step + 1, seed)
                if watch is not None:
                    watch(step + 1, losses)

    def sample(self, count: int, seed: int) -> np.ndarray[Any, Any]:
        """Return uint8 [count, H, W, 3] images or float32 [count, D] points; the same seed gives the same."""
        if not hasattr(self, "averaged"):
            raise ValueError("the model is not trained yet: fit it, or load its weights")
        with torch.inference_mode(), seeded(seed):
            values = self.generate(self.averaged.eval(), count, torch.Generator().manual_seed(seed))
        self.averaged.train()
        return as_samples(values, self.about["scale"])

    def save(self, path: Path) -> None:
        """Write what sampling needs as one safetensors file."""
        _write(path, _tensors("networks", self._sampling()), self.about)

    def load(self, path: Path) -> None:
        """Read what ``save`` wrote."""
        tensors, about = _read(path)
        self._begin(tuple(about["shape"]), about["classes"], about["scale"], about["steps"], about["seed"])
        for name, network in self._sampling().items():
            network.load_state_dict(_under(tensors, f"networks.{name}."))

    def descend(self, name: str, loss: Tensor) -> None:
        """Take one step of an optimiser down a loss."""
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()

    def _sampling(self) -> dict[str, nn.Module]:
        return {**self.networks, "averaged": self.averaged}

    def _begin(self, shape: tuple[int, ...], classes: int, scale: float, steps: int, seed: int) -> None:
        self.about = {"shape": list(shape), "classes": classes, "scale": scale, "steps": steps, "seed": seed}
        with seeded(seed):
            self.build(shape, classes)
        self.averaged = copy.deepcopy(self.networks["generator"]) if self.average else self.networks["generator"]

    def _take_average(self) -> None:
        if not self.average:
            return
        with torch.no_grad():
            for ours, theirs in zip(
                self.averaged.state_dict().values(), self.networks["generator"].state_dict().values(), strict=True
            ):
                ours.lerp_(theirs, 1 - self.average) if ours.is_floating_point() else ours.copy_(theirs)

    def _keep(self, path: Path, generator: torch.Generator, done: int, seed: int) -> None:
        tensors = _tensors("networks", self._sampling())
        for name, optimiser in self.optimisers.items():
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {
                    f"optimisers.{name}.{index}.{key}": torch.as_tensor(value).clone() for key, value in state.items()
                }
        tensors["generator"] = generator.get_state()
        _write(path, tensors, {**self.about, "done": done})

    def _resume(self, path: Path, generator: torch.Generator, seed: int) -> int:
        tensors, about = _read(path)
        if about.get("seed") != seed or about.get("steps") != self.about["steps"]:
            return 0  # another run's
        for name, network in self._sampling().items():
            network.load_state_dict(_under(tensors, f"networks.{name}."))
        for name, optimiser in self.optimisers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(tensors, f"optimisers.{name}.").items():
                index, _, entry = key.partition(".")
                state.setdefault(int(index), {})[entry] = value
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        generator.set_state(tensors["generator"])
        return int(about["done"])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator, which layers and dropout use, and put it back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _tensors(prefix: str, networks: dict[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{prefix}.{name}.{key}": value.clone().contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _write(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    save_file(tensors, temporary, {"baseline": json.dumps(about)})
    os.replace(temporary, path)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["baseline"])
        return {key: file.get_tensor(key) for key in file.keys()}, about  # noqa: SIM118
