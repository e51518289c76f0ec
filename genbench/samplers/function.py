"""Make a sampler from a user's function, and seed the global generators so that its samples are repeatable."""

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

# Positional and keyword arguments of a call.
Arguments = tuple[tuple[int, ...], dict[str, int]]


class FunctionSampler:
    """A callable ``f(count, seed)`` or ``f(count)`` as a sampler; the arguments are passed by position or by name.

    The seed is passed to a parameter called ``seed``, or else to a second parameter without a default. The global
    generators of torch, numpy and Python are seeded for the call and restored afterwards. So a function without a seed
    is repeatable, too, and no function disturbs its caller. Raises PlugError if the callable has other parameters.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise UsageError(f"A sampler must be callable, not {function!r}; give one as module:attribute.")
        self.function = function
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self._arguments = _calling_convention(function, self.name)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether this is a plain callable: not a class, not a torch module, and not already a Sampler."""
        return callable(subject) and not (inspect.isclass(subject) or isinstance(subject, (nn.Module, Sampler)))

    def sample(self, count: int, seed: int) -> Any:
        """Return the function's output for ``count`` samples, determined by the seed."""
        positional, keyword = self._arguments(count, seed)
        with seeded_generators(seed):
            return self.function(*positional, **keyword)


@contextmanager
def seeded_generators(seed: int) -> Iterator[None]:
    """Seed the global generators of torch, numpy and Python; restore their states afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    # Do not initialise CUDA only to save the state of its generators.
    cuda_used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if cuda_used else ()
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        # numpy takes seeds of 32 bits only
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


def _calling_convention(function: Callable[..., Any], name: str) -> Callable[[int, int], Arguments]:
    """Return the first calling convention that the function's signature allows."""
    # The signature of compiled code may be unknown.
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return lambda count, seed: ((count, seed), {})
    # bind arguments to the signature without calling the function
    for convention in _CALLING_CONVENTIONS:
        positional, keyword = convention(1, 0)
        try:
            signature.bind(*positional, **keyword)
        except TypeError:
            continue
        return convention
    raise PlugError(f"The sampler {name!r} has the parameters {signature}; expected (count, seed) or (count).")


# (count) comes before (count, seed), so that the seed is never passed to an optional second parameter of other meaning.
_CALLING_CONVENTIONS: tuple[Callable[[int, int], Arguments], ...] = (
    lambda count, seed: ((count,), {"seed": seed}),
    lambda count, seed: ((), {"count": count, "seed": seed}),
    lambda count, seed: ((count,), {}),
    lambda count, seed: ((count, seed), {}),
    lambda count, seed: ((), {"count": count}),
)
