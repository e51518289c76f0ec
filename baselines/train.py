"""The one training loop: seeded, resumable, watched; the last good checkpoint survives a loss that is no number."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from baselines.data import Source, TrainingData, as_samples

Watch = Callable[[int, dict[str, float]], None]
"""Called after each step with its number and its losses."""

KEPT_EVERY = 500
"""Steps between two checkpoints."""


class ByData:
    """The default of a field that fits the data: one value for points, one for images, unless the user gives one."""

    def __init__(self, *, points: float, images: float) -> None:
        self.points, self.images = points, images

    def __repr__(self) -> str:
        return f"{self.points:g} for points, {self.images:g} for images"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __set__(self, model: Baseline, value: Any) -> None:
        vars(model)[self.name] = value

    def __get__(self, model: Baseline | None, owner: type) -> Any:
        value = self if model is None else vars(model)[self.name]
        if value is not self or model is None or not hasattr(model, "about"):
            return value
        return self.points if len(model.about["shape"]) == 1 else self.images


def by_data(*, points: float, images: float) -> Any:
    """Return a field's default that fits the data: ``latent: int = by_data(points=2, images=16)``."""
    return ByData(points=points, images=images)


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
    """What opens a checkpoint again: page and fields; shape, classes, scale and digest of the data; steps, seed."""

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

        A checkpoint of another run (data, fields, seed or steps differ) is written over. Raises FloatingPointError
        where a loss is no longer finite; the checkpoint then holds the last good weights.
        """
        data = TrainingData.of(source)
        generator = torch.Generator().manual_seed(seed)
        self._begin(data.shape, data.classes, data.scale, steps, seed)
        self.about["data"] = data.digest
        with seeded(seed):
            done = self._resume(checkpoint, generator) if checkpoint is not None and checkpoint.exists() else 0
            for step in range(done, steps):
                losses = {name: float(loss.detach()) for name, loss in self.step(data, generator, step / steps).items()}
                self._take_average(step)
                keep = (step + 1) % KEPT_EVERY == 0 or step + 1 == steps
                if not all(map(math.isfinite, losses.values())) or (keep and not self._finite()):
                    kept = f"; {checkpoint} holds the last good weights" if checkpoint and checkpoint.exists() else ""
                    raise FloatingPointError(f"the training is no longer finite at step {step + 1}: {losses}{kept}")
                if checkpoint is not None and keep:
                    self._keep(checkpoint, generator, step + 1)
                if watch is not None:
                    watch(step + 1, losses)

    def sample(self, count: int, seed: int) -> np.ndarray[Any, Any]:
        """Return uint8 [count, H, W, 3] images or float32 [count, D] points; the same seed gives the same."""
        return self._draw(seed, lambda network, generator: self.generate(network, count, generator))

    def judged(self, data: ArrayLike, seed: int) -> tuple[Tensor, Tensor, np.ndarray[Any, Any]]:
        """Return what the critic says of points float [N, D], of as many generated ones, [N, 1] each, and these.

        They are drawn with the last weights, those that the critic plays against, not with the average.
        """
        self._check_trained()
        values = torch.as_tensor(np.asarray(data, np.float32)) / self.about["scale"]
        with torch.inference_mode(), seeded(seed):
            fake = self.generate(self.networks["generator"], len(values), torch.Generator().manual_seed(seed))
            critic = self.networks["critic"]
            return critic(values), critic(fake), as_samples(fake, self.about["scale"])

    def save(self, path: Path) -> None:
        """Write what sampling needs as one safetensors file."""
        _write(path, _tensors("networks", self._sampling()), self.about)

    def load(self, path: Path) -> None:
        """Read what ``save`` or ``fit`` wrote. Raises ValueError where it is something else."""
        tensors, about = _read(path)
        if about["page"] != type(self).__name__:
            raise ValueError(f"{path} holds a model of the page {about['page']}, not {type(self).__name__}")
        for name, value in about["fields"].items():
            setattr(self, name, value)
        self._begin(tuple(about["shape"]), about["classes"], about["scale"], about["steps"], about["seed"])
        self.about["data"] = about["data"]
        for name, network in self._sampling().items():
            network.load_state_dict(_under(tensors, f"networks.{name}."))

    def descend(self, name: str, loss: Tensor) -> None:
        """Take one step of an optimiser down a loss; the other networks get no gradient, which is half the work."""
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        loss.backward(inputs=weights)  # type: ignore[no-untyped-call]
        optimiser.step()

    def _draw(self, seed: int, make: Callable[[nn.Module, torch.Generator], Tensor]) -> np.ndarray[Any, Any]:
        self._check_trained()
        with torch.inference_mode(), seeded(seed):
            values = make(self.averaged.eval(), torch.Generator().manual_seed(seed))
        self.averaged.train()
        return as_samples(values, self.about["scale"])

    def _check_trained(self) -> None:
        if not hasattr(self, "averaged"):
            raise ValueError("the model is not trained yet: fit it, or give it weights, as in vae,weights=FILE")

    def _sampling(self) -> dict[str, nn.Module]:
        return {**self.networks, "averaged": self.averaged}

    def _begin(self, shape: tuple[int, ...], classes: int, scale: float, steps: int, seed: int) -> None:
        self.about = {"shape": list(shape), "classes": classes, "scale": scale, "steps": steps, "seed": seed}
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(cast(Any, self))}
        self.about |= {"page": type(self).__name__, "fields": fields}
        with seeded(seed):
            self.build(shape, classes)
        self.averaged = copy.deepcopy(self.networks["generator"]) if self.average else self.networks["generator"]

    def _take_average(self, step: int) -> None:
        if not self.average:
            return
        decay = min(self.average, (1 + step) / (10 + step))  # the first steps are forgotten soon
        with torch.no_grad():
            for ours, theirs in zip(
                self.averaged.state_dict().values(), self.networks["generator"].state_dict().values(), strict=True
            ):
                ours.lerp_(theirs, 1 - decay) if ours.is_floating_point() else ours.copy_(theirs)

    def _finite(self) -> bool:
        networks = self._sampling().values()
        return all(bool(value.isfinite().all()) for network in networks for value in network.state_dict().values())

    def _keep(self, path: Path, generator: torch.Generator, done: int) -> None:
        tensors = _tensors("networks", self._sampling())
        for name, optimiser in self.optimisers.items():
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {
                    f"optimisers.{name}.{index}.{key}": torch.as_tensor(value).clone() for key, value in state.items()
                }
        tensors |= {"generator": generator.get_state(), "layers": torch.get_rng_state()}
        _write(path, tensors, {**self.about, "done": done})

    def _resume(self, path: Path, generator: torch.Generator) -> int:
        tensors, about = _read(path)
        done = about.pop("done", 0)
        if not done or about != self.about:
            return 0  # another run's, or one that ``save`` wrote
        for name, network in self._sampling().items():
            network.load_state_dict(_under(tensors, f"networks.{name}."))
        for name, optimiser in self.optimisers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(tensors, f"optimisers.{name}.").items():
                index, _, entry = key.partition(".")
                state.setdefault(int(index), {})[entry] = value
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["layers"])
        return int(done)


class Conditional(Baseline):
    """A baseline that is told which class to make."""

    @property
    def classes(self) -> int | None:
        """How many classes it can be asked for; None before it is trained."""
        return self.about["classes"] if hasattr(self, "about") else None

    @abstractmethod
    def generate_classes(self, network: nn.Module, label: Tensor, generator: torch.Generator) -> Tensor:
        """Return a sample of each class in ``label``, int64 [N]."""

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """Return samples of every class in turn, from a random one on: as even as the count allows."""
        classes = self.about["classes"]
        first = torch.randint(classes, (1,), generator=generator)
        return self.generate_classes(network, (torch.arange(count) + first) % classes, generator)

    def sample_classes(self, labels: Sequence[int] | np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
        """Return a sample of each asked class, as ``sample`` does. Raises ValueError for a class it never saw."""
        self._check_trained()
        label, classes = torch.as_tensor(labels, dtype=torch.int64), self.about["classes"]
        if len(label) and not 0 <= int(label.min()) <= int(label.max()) < classes:
            raise ValueError(f"classes go from 0 to {classes - 1}; asked for {int(label.min())} to {int(label.max())}")
        return self._draw(seed, lambda network, generator: self.generate_classes(network, label, generator))


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
    try:
        save_file(tensors, temporary, {"baseline": json.dumps(about)})
        os.replace(temporary, path)
    except SafetensorError as error:  # its way of saying that the disk is full
        raise OSError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["baseline"])
            return {key: file.get_tensor(key) for key in file.keys()}, about  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a checkpoint of a baseline ({error})") from error
