"""The training loop of all baselines: seeded, resumable, and stopped with the last good checkpoint if a loss is nan."""

from __future__ import annotations

import copy
import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from genbench_baselines.checkpoints import named_tensors, read_checkpoint, with_prefix, write_checkpoint
from genbench_baselines.data import TrainingData, TrainingSource, as_samples

Watch = Callable[[int, dict[str, float]], None]
"""Called after each step with the number of the step and its losses."""

CHECKPOINT_EVERY = 500
"""Number of steps between two checkpoints."""


class ByData:
    """A default that depends on the data: one value for points, one for images; a value of the user replaces it."""

    def __init__(self, *, points: float, images: float) -> None:
        self.points, self.images = points, images

    def __repr__(self) -> str:
        return f"{self.points:g} for points, {self.images:g} for images"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __set__(self, model: Baseline, value: Any) -> None:
        vars(model)[self.name] = value

    # before training the shape of the data is unknown, so the field shows both values
    def __get__(self, model: Baseline | None, owner: type) -> Any:
        value = self if model is None else vars(model)[self.name]
        if value is not self or model is None or not hasattr(model, "metadata"):
            return value
        return self.points if len(model.metadata["shape"]) == 1 else self.images


def by_data(*, points: float, images: float) -> Any:
    """Return a default that depends on the data: ``latent: int = by_data(points=2, images=16)``."""
    return ByData(points=points, images=images)


class Baseline(ABC):
    """Base class of the models; each module of this folder defines one model by its networks and its training step.

    A model is a dataclass whose fields are the hyperparameters. It has ``fit``, ``sample``, ``save`` and ``load``.
    """

    latent: int
    batch_size: int
    weights_suffix = ".safetensors"
    seed_bits = 32  # torch takes larger seeds than other programs; fewer bits would change the samples
    average: float
    """Decay of the exponential moving average (EMA) of the generator, used for sampling; 0 uses the last weights."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make ``networks`` and ``optimisers`` for samples of this shape."""

    @abstractmethod
    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Take one training step and return the losses; ``progress`` goes from 0 to 1."""

    @abstractmethod
    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """Return samples of a generator network, in the scale of the network."""

    networks: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    averaged: nn.Module
    """The generator used for sampling."""
    metadata: dict[str, Any]
    """Metadata of a checkpoint: class and fields; shape, classes, scale and digest of the data; steps and seed."""

    def fit(
        self,
        source: TrainingSource,
        *,
        seed: int,
        steps: int,
        watch: Watch | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        """Train for ``steps`` steps, or resume from a checkpoint of the same run.

        A damaged checkpoint, and one of another run (different data, fields, seed or steps), is overwritten. Raises
        FloatingPointError if a loss is not finite; the checkpoint then holds the last good weights.
        """
        data = TrainingData.of(source)
        generator = torch.Generator().manual_seed(seed)
        self._begin(data.shape, data.classes, data.scale, steps, seed)
        self.metadata["data"] = data.digest
        with torch_seeded(seed):
            # the steps of an interrupted run are not repeated
            done = self._resume(checkpoint, generator) if checkpoint is not None and checkpoint.exists() else 0
            for step in range(done, steps):
                losses = {name: float(loss.detach()) for name, loss in self.step(data, generator, step / steps).items()}
                self._take_average(step)
                # the weights are checked only when a checkpoint is due, because that is slow
                due = (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps
                if not all(map(math.isfinite, losses.values())) or (due and not self._finite()):
                    hint = f"; {checkpoint} holds the last good weights" if checkpoint and checkpoint.exists() else ""
                    raise FloatingPointError(f"the training is no longer finite at step {step + 1}: {losses}{hint}")
                # watch first: a training that is killed between the two repeats the steps that were watched
                if watch is not None:
                    watch(step + 1, losses)
                if checkpoint is not None and due:
                    self._write_training_state(checkpoint, generator, step + 1)

    def sample(self, count: int, seed: int) -> np.ndarray[Any, Any]:
        """Return images uint8 [count, H, W, 3] or points float32 [count, D]; the same seed gives the same samples."""
        return self._draw(seed, lambda network, generator: self.generate(network, count, generator))

    def critic_outputs(self, data: ArrayLike, seed: int) -> tuple[Tensor, Tensor, np.ndarray[Any, Any]]:
        """Return the critic's outputs [N, 1] for points float [N, D] and for N generated points, and those points.

        The points are generated with the last weights, because the critic was trained against these, not the average.
        """
        self._check_trained()
        # to the scale of the network
        values = torch.as_tensor(np.asarray(data, np.float32)) / self.metadata["scale"]
        with torch.inference_mode(), torch_seeded(seed):
            fake = self.generate(self.networks["generator"], len(values), torch.Generator().manual_seed(seed))
            critic = self.networks["critic"]
            return critic(values), critic(fake), as_samples(fake, self.metadata["scale"])

    def save(self, path: Path) -> None:
        """Write the networks and the metadata to a safetensors file."""
        write_checkpoint(path, named_tensors("networks", self._saved_networks()), self.metadata)

    def load(self, path: Path) -> None:
        """Read a file of ``save`` or a checkpoint of ``fit``. Raises ValueError for another file."""
        tensors, metadata = read_checkpoint(path)
        if metadata["page"] != type(self).__name__:
            raise ValueError(f"{path} holds a {metadata['page']} model, not {type(self).__name__}")
        # the file decides the hyperparameters, which decide the shapes of the networks
        for name, value in metadata["fields"].items():
            setattr(self, name, value)
        self._begin(
            tuple(metadata["shape"]), metadata["classes"], metadata["scale"], metadata["steps"], metadata["seed"]
        )
        self.metadata["data"] = metadata["data"]
        for name, network in self._saved_networks().items():
            network.load_state_dict(with_prefix(tensors, f"networks.{name}."))

    def descend(self, name: str, loss: Tensor) -> None:
        """Take one optimiser step on a loss; without the gradients of the other networks it takes half the time."""
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        # gradients are computed for the weights of this optimiser only
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        loss.backward(inputs=weights)  # type: ignore[no-untyped-call]
        optimiser.step()

    def _draw(self, seed: int, make: Callable[[nn.Module, torch.Generator], Tensor]) -> np.ndarray[Any, Any]:
        self._check_trained()
        with torch.inference_mode(), torch_seeded(seed):
            # batch normalisation uses its running statistics
            values = make(self.averaged.eval(), torch.Generator().manual_seed(seed))
        self.averaged.train()
        return as_samples(values, self.metadata["scale"])

    def _check_trained(self) -> None:
        if not hasattr(self, "averaged"):
            raise ValueError("the model is not trained yet: fit it, or give it weights, as in vae,weights=FILE")

    def _saved_networks(self) -> dict[str, nn.Module]:
        return {**self.networks, "averaged": self.averaged}

    def _begin(self, shape: tuple[int, ...], classes: int, scale: float, steps: int, seed: int) -> None:
        self.metadata = {"shape": list(shape), "classes": classes, "scale": scale, "steps": steps, "seed": seed}
        # an unset field that depends on the data now takes its value for these data
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(cast(Any, self))}
        self.metadata |= {"page": type(self).__name__, "fields": fields}
        # the seed also decides the initial weights
        with torch_seeded(seed):
            self.build(shape, classes)
        self.averaged = copy.deepcopy(self.networks["generator"]) if self.average else self.networks["generator"]

    def _take_average(self, step: int) -> None:
        if not self.average:
            return
        decay = min(self.average, (1 + step) / (10 + step))  # smaller in the first steps, whose weights are poor
        generator = self.networks["generator"].state_dict()
        with torch.no_grad():
            for name, average in self.averaged.state_dict().items():
                if average.is_floating_point():
                    average.lerp_(generator[name], 1 - decay)
                else:
                    average.copy_(generator[name])

    def _finite(self) -> bool:
        # weights and buffers of all networks
        networks = self._saved_networks().values()
        return all(bool(value.isfinite().all()) for network in networks for value in network.state_dict().values())

    def _write_training_state(self, path: Path, generator: torch.Generator, done: int) -> None:
        tensors = named_tensors("networks", self._saved_networks())
        for name, optimiser in self.optimisers.items():
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {
                    f"optimisers.{name}.{index}.{key}": torch.as_tensor(value).clone() for key, value in state.items()
                }
        # both random streams: that of the training step, and torch's global one
        tensors |= {"generator": generator.get_state(), "layers": torch.get_rng_state()}
        write_checkpoint(path, tensors, {**self.metadata, "done": done})

    def _resume(self, path: Path, generator: torch.Generator) -> int:
        try:
            tensors, metadata = read_checkpoint(path)
        except ValueError:  # damaged
            return 0
        done = metadata.pop("done", 0)
        if not done or metadata != self.metadata:
            return 0  # a checkpoint of another run, or a file of ``save``
        for name, network in self._saved_networks().items():
            network.load_state_dict(with_prefix(tensors, f"networks.{name}."))
        for name, optimiser in self.optimisers.items():
            # keys are INDEX.ENTRY, as ``_write_training_state`` writes them
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in with_prefix(tensors, f"optimisers.{name}.").items():
                index, _, entry = key.partition(".")
                state.setdefault(int(index), {})[entry] = value
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["layers"])
        return int(done)


class Conditional(Baseline):
    """A baseline that generates samples of a given class."""

    @property
    def classes(self) -> int | None:
        """Number of classes; None before training."""
        return self.metadata["classes"] if hasattr(self, "metadata") else None

    @abstractmethod
    def generate_classes(self, network: nn.Module, label: Tensor, generator: torch.Generator) -> Tensor:
        """Return one sample of each class in ``label``, int64 [N]."""

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """Generate the classes in turn, starting at a random one, so that their counts differ by at most one."""
        classes = self.metadata["classes"]
        # a fixed first class would be more frequent than the others
        first = torch.randint(classes, (1,), generator=generator)
        return self.generate_classes(network, (torch.arange(count) + first) % classes, generator)

    def sample_classes(self, labels: Sequence[int] | np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
        """Return one sample of each class in ``labels``, as ``sample`` does. Raises ValueError for an unknown class."""
        self._check_trained()
        # classes are numbered from 0
        label, classes = torch.as_tensor(labels, dtype=torch.int64), self.metadata["classes"]
        if len(label) and not 0 <= int(label.min()) <= int(label.max()) < classes:
            raise ValueError(f"classes go from 0 to {classes - 1}; got {int(label.min())} to {int(label.max())}")
        return self._draw(seed, lambda network, generator: self.generate_classes(network, label, generator))


@contextmanager
def torch_seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator, which initialises layers, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
