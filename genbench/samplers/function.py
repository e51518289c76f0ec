"""Make a sampler from a user's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from genbench.errors import UsageError
from genbench.plugs.contracts import Sampler
from genbench.plugs.sampler_calls import call_sampler, inspect_call


class FunctionSampler:
    """A callable ``f(count, seed)`` or ``f(count)`` as a sampler; the arguments are passed by position or by name.

    The seed is passed to a parameter called ``seed`` only. The global generators of torch, numpy and Python are seeded
    for the call and restored afterwards. So a function without a seed is repeatable, too, and no function disturbs its
    caller. Raises PlugError if the callable needs other parameters.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise UsageError(f"A sampler must be callable, not {function!r}; give one as module:attribute.")
        self.function = function
        self.name: str = getattr(function, "__name__", type(function).__name__)
        inspect_call(function, self.name)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether this is a plain callable: not a class, not a torch module, and not already a Sampler."""
        return callable(subject) and not (inspect.isclass(subject) or isinstance(subject, (nn.Module, Sampler)))

    def sample(self, count: int, seed: int) -> Any:
        """Return the function's output for ``count`` samples, determined by the seed."""
        return call_sampler(self.function, count, seed)
