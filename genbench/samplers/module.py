"""A guest's generator network as a sampler: a torch module, or a TorchScript file, that maps latents to samples."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
from torch import nn

from genbench.errors import PlugError, UsageError, did_you_mean
from genbench.plugs.contracts import Sampler
from genbench.plugs.torch_modules import SUFFIXES, device_of, evaluating, read_torchscript
from genbench.samplers.function import seeded

Latent = int | str | tuple[int, ...]


class ModuleSampler:
    """A torch module G as a sampler: samples are G(z) of latents z float32 [count, *latent] drawn from the seed.

    ``latent``: the length of z, or its shape as ``100x1x1``. ``distribution``: ``normal`` N(0, I), ``uniform`` on
    -1..1, or ``unit``, normal scaled to length 1 over all but the first axis.
    G may return uint8 images, float points [count, D], or float images whose ``range`` is declared, ``-1..1`` or
    ``0..1``; these are rounded to uint8, and what overshoots the range a little is clipped.
    G is called in evaluation mode, where its parameters lie, and gets its own mode back.
    Raises UsageError for a missing or unknown option, PlugError where the output is not what was declared.
    """

    def __init__(
        self,
        module: nn.Module,
        latent: Latent | None = None,
        *,
        distribution: str = "normal",
        range: str | None = None,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise UsageError(f"'module' takes a torch.nn.Module, not {module!r}; name one as module:attribute.")
        self.module = module
        self.name = type(module).__name__
        self.latent = _shape(latent, self.name)
        self.distribution = _known("distribution", distribution, _DISTRIBUTIONS)
        self.range = range if range is None else _known("range", range, _RANGES)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Tell whether this is a torch module that is not a Sampler already."""
        return isinstance(subject, nn.Module) and not isinstance(subject, Sampler)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Return uint8 images or float32 [count, D] points on the CPU; the same seed gives the same ones."""
        latents = _DISTRIBUTIONS[self.distribution]((count, *self.latent), torch.Generator().manual_seed(seed))
        with seeded(seed), evaluating(self.module), torch.inference_mode():
            answer: object = self.module(latents.to(device_of(self.module)))
        if not isinstance(answer, torch.Tensor):
            raise PlugError(
                f"The sampler {self.name!r} returned a {type(answer).__name__}; wanted a tensor of samples."
            )
        return _as_samples(answer.cpu(), self.range, self.name)


class TorchScriptSampler(ModuleSampler):
    """A TorchScript file as a sampler, with the options of ModuleSampler.

    A TorchScript file is a program: open those of people you trust. Anything else in such a file (a state dict, a
    pickled module) is refused without being unpickled.
    """

    def __init__(
        self,
        path: str | Path,
        latent: Latent | None = None,
        *,
        distribution: str = "normal",
        range: str | None = None,
        device: str = "cpu",
    ) -> None:
        module = read_torchscript(Path(path), device)
        if latent is None:
            raise UsageError(
                f"{path} needs the length or shape of its latents: write "
                f"torchscript,path={path},latent=128 (or latent=100x1x1; float images also range=-1..1)."
            )
        super().__init__(module, latent, distribution=distribution, range=range)
        self.name = Path(path).name

    @staticmethod
    def accepts(subject: object) -> bool:
        """Tell whether this is the path of a file that may hold TorchScript."""
        return isinstance(subject, (str, Path)) and Path(subject).suffix.lower() in SUFFIXES


def _shape(latent: Latent | None, name: str) -> tuple[int, ...]:
    sizes = latent if isinstance(latent, tuple) else str(latent).split("x")
    try:
        shape = tuple(int(size) for size in sizes)
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise UsageError(
            f"The sampler {name!r} needs the length or shape of its latents, as latent=128 or latent=100x1x1, "
            f"not {latent!r}."
        )
    return shape


def _known(option: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise UsageError(f"A sampler knows no {option}={value}{did_you_mean(str(value), known)}")
    return value


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=generator)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * 2 - 1


def _unit(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return nn.functional.normalize(_normal(shape, generator).flatten(1)).view(shape)


_DISTRIBUTIONS = {"normal": _normal, "uniform": _uniform, "unit": _unit}

_RANGES = {"-1..1": (-1.0, 1.0), "0..1": (0.0, 1.0)}


def _as_samples(answer: torch.Tensor, declared: str | None, name: str) -> torch.Tensor:
    """Return integers as they came, points as float32, and images of a declared range as uint8."""
    if not answer.is_floating_point():
        return answer
    came = f"The sampler {name!r} returned {str(answer.dtype).removeprefix('torch.')} {list(answer.shape)}"
    answer = answer.to(torch.float32)
    if not answer.isfinite().all():
        raise PlugError(f"{came} with NaN or infinity among them; the model may have diverged.")
    if answer.ndim == 2 and declared is None:
        return answer
    if answer.ndim == 2:
        raise PlugError(f"{came}, which are points, but range={declared} is for images [count, channels, H, W].")
    least, most = answer.min().item(), answer.max().item()
    spread = f"with values from {least:.3g} to {most:.3g}"
    if declared is None:
        raise PlugError(f"{came} {spread}; declare what they mean, range=-1..1 or range=0..1, or return uint8.")
    low, high = _RANGES[declared]
    images = (answer - low) / (high - low)
    # a linear last layer overshoots a little; half the range on either side is another range, not an overshoot
    if images.min() < -0.5 or images.max() > 1.5:
        raise PlugError(f"{came} {spread}, far outside the declared range={declared}; declare the right one.")
    return images.clamp(0, 1).mul(255).round().to(torch.uint8)
