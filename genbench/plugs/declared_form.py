"""What a user declares about a sampler's output: the range of the values of images, and the shape of flat rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import DivergedError, PlugError, UsageError
from genbench.plugs.contracts import Sampler, Source
from genbench.plugs.sampler_calls import call_sampler
from genbench.plugs.sampler_output import as_array, unpacked
from genbench.plugs.tensors import to_numpy
from genbench.plugs.value_range import parse_range


@dataclass(frozen=True)
class DeclaredForm:
    """The range and the shape of images, as far as a user declares them. Raises UsageError for other texts.

    ``range`` is ``LOW..HIGH``, the values that become 0 and 255. ``shape`` is the shape of one image, such as ``8x8``,
    ``3x8x8`` or ``8x8x3``, if the sampler returns each image as a flat row.
    """

    range: str | None = None
    shape: str | None = None

    def __post_init__(self) -> None:
        if self.range is not None:
            parse_range(self.range)
        _ = self.sizes

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """The shape of one image as numbers; None if it is not declared."""
        if self.shape is None:
            return None
        sizes = str(self.shape).split("x")
        if len(sizes) not in (2, 3) or not all(size.isdecimal() and int(size) for size in sizes):
            raise UsageError(f"The shape {self.shape!r} is not that of an image; write shape=8x8 or shape=3x8x8, say.")
        return tuple(map(int, sizes))

    def apply(self, samples: Any, who: str) -> Any:
        """Return an array or tensor of samples as images of this shape, uint8 if a range is declared.

        Values slightly outside of the range are clipped. Raises PlugError if the samples cannot have this form;
        ``who`` names the sampler in the message.
        """
        # flat rows become images
        if self.sizes is not None:
            try:
                samples = samples.reshape(len(samples), *self.sizes)
            except (RuntimeError, ValueError) as error:
                raise PlugError(
                    f"{who} gave rows of shape {list(samples.shape[1:])}, which do not fill images of the declared "
                    f"shape={self.shape}; declare the right one."
                ) from error
        return samples if self.range is None else _to_uint8(samples, self.range, who)


def _to_uint8(samples: Any, declared: str, who: str) -> Array:
    """Return images of a declared range as uint8; images that are uint8 already are returned unchanged."""
    dtype = str(samples.dtype).removeprefix("torch.")
    gave = f"{who} gave {dtype} {list(samples.shape)}"
    # uint8 has its range already
    images = to_numpy(samples)
    if dtype == "uint8":
        return images
    # a float64 that overflows float32 becomes infinite
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    # neither NaN nor points have a range
    if not np.isfinite(images).all():
        raise DivergedError(f"{gave} with NaN or infinity among the values; the model may have diverged.")
    if images.ndim == 2:
        raise PlugError(
            f"{gave}, which are points, but range={declared} is for images [count, channels, H, W]; if each row is an "
            "image, declare its shape as well, as in shape=3x8x8."
        )
    # A linear last layer exceeds the range slightly. An excess of half the range means that the range is wrong.
    low, high = parse_range(declared)
    levels = (images - low) / (high - low)
    if levels.size and (levels.min() < -0.5 or levels.max() > 1.5):
        raise PlugError(
            f"{gave} with values from {images.min():.3g} to {images.max():.3g}, far outside the declared "
            f"range={declared}; declare the right one."
        )
    rounded: Array = np.rint(levels.clip(0, 1) * 255).astype(np.uint8)
    return rounded


class DeclaredSampler:
    """A sampler whose output has a declared form. Everything but the samples is that of the sampler itself.

    ``name`` is the sampler's in messages. Raises UsageError for a source, whose samples have a form already.
    """

    def __init__(self, sampler: Source | Sampler, form: DeclaredForm, name: str) -> None:
        if not isinstance(sampler, Sampler):
            raise UsageError(f"{name!r} is no sampler, so leave out its range and its shape.")
        self.sampler = sampler
        self.form = form
        self._who = f"The sampler {name!r}"
        # what error messages describe is the sampler of the user
        self.__wrapped__ = sampler

    def __getattr__(self, name: str) -> Any:
        # fit, save, load, classes, class_names, seed_bits, ...
        if name.startswith("__") or name == "sampler":
            raise AttributeError(name)
        return getattr(self.sampler, name)

    def sample(self, count: int, seed: int) -> Any:
        """Return ``count`` samples of the declared form."""
        return self._formed(self.sampler.sample, count, seed)

    @property
    def sample_classes(self) -> Callable[[Any, int], Any]:
        """The method that draws samples of given classes. Raises AttributeError if the sampler has none."""
        draw = self.sampler.sample_classes  # type: ignore[attr-defined]
        return lambda labels, seed: self._formed(draw, labels, seed)

    def _formed(self, draw: Callable[..., Any], what: Any, seed: int) -> Any:
        count = what if isinstance(what, int) else len(what)
        samples = unpacked(call_sampler(draw, what, seed), count, self._who)
        return self.form.apply(as_array(samples, count, self._who), self._who)
