"""A guest's plain function as a sampler, and what makes its draws repeatable."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from genbench.errors import PlugError, UsageError
from genbench.plugs.contracts import Sampler

Arguments = tuple[tuple[int, ...], dict[str, int]]


class FunctionSampler:
    """A callable ``f(count, seed)`` or ``f(count)`` as a sampler, by position or by these names.

    A parameter called ``seed`` gets the seed; so does a second one that has no default. Torch's, numpy's and Python's
    global generators are seeded for the call and put back after it, so that a function without a seed is repeatable
    too and none disturbs its caller. Raises PlugError where the callable wants other arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise UsageError(f"A sampler must be callable, not {function!r}; name one as module:attribute.")
        self.function = function
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self._arguments = _form(function, self.name)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Tell whether this is a plain callable: no class, no torch module, nothing that is a Sampler already."""
        return callable(subject) and not (inspect.isclass(subject) or isinstance(subject, (nn.Module, Sampler)))

    def sample(self, count: int, seed: int) -> Any:
        """Return what the function gives for ``count`` samples: the same for the same seed."""
        by_position, by_name = self._arguments(count, seed)
        with seeded(seed):
            return self.function(*by_position, **by_name)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of torch, numpy and Python, and put them back afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if used else ()
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


def _form(function: Callable[..., Any], name: str) -> Callable[[int, int], Arguments]:
    """Return the first way of calling that the function's signature allows."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # compiled code may not tell
        return lambda count, seed: ((count, seed), {})
    for form in _FORMS:
        by_position, by_name = form(1, 0)
        try:
            signature.bind(*by_position, **by_name)
        except TypeError:
            continue
        return form
    raise PlugError(f"The sampler {name!r} takes {signature}; wanted (count, seed) or (count).")


# (count) comes before (count, seed) so that the seed never lands in an optional second parameter of another meaning
_FORMS: tuple[Callable[[int, int], Arguments], ...] = (
    lambda count, seed: ((count,), {"seed": seed}),
    lambda count, seed: ((), {"count": count, "seed": seed}),
    lambda count, seed: ((count,), {}),
    lambda count, seed: ((count, seed), {}),
    lambda count, seed: ((), {"count": count}),
)
