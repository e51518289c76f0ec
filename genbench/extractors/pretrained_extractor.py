"""The class that extractors with published weights inherit from: precision, identity, and building on first use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.extractors.precision import arithmetic, check_precision
from genbench.extractors.raw import check_images
from genbench.extractors.weights import Weights, file_sha256, find_weights

if TYPE_CHECKING:
    import torch

IMPLEMENTATION = 1
"""Version of the computation. A change that alters the numbers by more than rounding must increase it: cached features
of the previous version are then no longer used."""


@dataclass(frozen=True)
class Pretrained(ABC):
    """An extractor with published weights. Nothing is downloaded, read or built before it is needed.

    Computes in float32, without TF32 or bfloat16, in inference mode; the batch changes a row by rounding only.
    torch is imported for that only: name, identity and path need none.
    ``precision`` tf32 or bf16 is faster but less exact. It is part of the name and the identity, so features of
    different precisions are never compared. Raises UsageError for an unknown precision.
    """

    # Options that do not change the numbers, or that the identity covers separately, are not part of the repr.
    weights: str | Path | None = field(default=None, kw_only=True, repr=False)
    device: str = field(default="cpu", kw_only=True, repr=False)
    precision: str = field(default="fp32", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        check_precision(self.precision, self.device)

    @property
    @abstractmethod
    def variant_name(self) -> str:
        """Name of the network and its preprocessing, without the precision."""

    @property
    @abstractmethod
    def published_weights(self) -> Weights:
        """The published file of weights."""

    @abstractmethod
    def build(self, path: Path) -> torch.nn.Module:
        """Return the network with the weights in a file."""

    @abstractmethod
    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W] on the device."""

    @property
    def name(self) -> str:
        """Name for people."""
        return self.variant_name + self._precision_suffix

    # Cached properties work in a frozen dataclass, because they write to ``__dict__`` directly.
    @cached_property
    def path(self) -> Path:
        """Path of the file of weights, which is searched for, and downloaded if necessary, on first use."""
        return find_weights(self.published_weights, self.weights)

    # The repr contains the class and the options that change the numbers.
    @cached_property
    def identity(self) -> str:
        """Options, implementation and the sha256 of the weights. Raises InputError if there are no weights."""
        return f"{self!r}, implementation={IMPLEMENTATION}, weights={file_sha256(self.path)}{self._precision_suffix}"

    @cached_property
    def network(self) -> torch.nn.Module:
        """The network on its device, built on first use."""
        return self.build(self.path).eval().requires_grad_(False).to(self.device)

    @property
    def computed_by(self) -> str:
        """Library that computed the views, for the record; all libraries give the same numbers up to rounding."""
        # If all features were cached, the network was never built.
        if "network" not in vars(self):
            return "kept features"
        import torch

        return f"torch {torch.__version__}"

    def __call__(self, data: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W]. Raises PlugError for anything but images."""
        import torch

        # The caller's settings of TF32 must not change the numbers.
        check_images(data, self.name)
        with torch.inference_mode(), arithmetic(self.precision):
            return self.views(data.to(self.device))

    # float32 is the default and is not mentioned.
    @property
    def _precision_suffix(self) -> str:
        return "" if self.precision == "fp32" else f",precision={self.precision}"
