"""Make a sampler from a user's function, or from what a user's function or module makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from torch import nn

from genbench.errors import UsageError, guest_code
from genbench.plugs.contracts import Sampler
from genbench.plugs.sampler_calls import call_sampler, inspect_call
from genbench.plugs.torch_modules import evaluation_mode


class FunctionSampler:
    """A callable ``f(count, seed)`` or ``f(count)`` as a sampler; the arguments are passed by position or by name.

    The seed is passed to a parameter called ``seed`` or ``random_state`` only. The global generators of torch, numpy
    and Python are seeded for the call and restored afterwards. So a function without a seed is repeatable, too, and no
    function disturbs its caller. A callable that needs no argument and returns a sampler stands for that sampler: a
    function that makes a model, or a torch module that returns a distribution, as zuko's flows do.
    Raises PlugError if the callable needs other parameters.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise UsageError(f"A sampler must be callable, not {function!r}; give one as module:attribute.")
        # the sampler that the function makes, or the function itself
        made = _made_sampler(function)
        self.function = function if made is None else made.sample
        self.name: str = getattr(function, "__name__", type(function).__name__)
        # what error messages describe
        self.__wrapped__ = self.function
        inspect_call(self.function, self.name)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether this is a callable, and no class, Sampler, or torch module that needs latents."""
        if not callable(subject) or inspect.isclass(subject) or isinstance(subject, Sampler):
            return False
        return not isinstance(subject, nn.Module) or _made_sampler(subject) is not None

    def sample(self, count: int, seed: int) -> Any:
        """Return the function's output for ``count`` samples, determined by the seed."""
        return call_sampler(self.function, count, seed)


def _made_sampler(function: Callable[..., Any]) -> Any | None:
    """Return the sampler that a callable without parameters returns, or a module whose input is optional, or None."""
    is_module = isinstance(function, nn.Module)
    try:
        parameters = inspect.signature(getattr(function, "forward", function)).parameters.values()
    except (TypeError, ValueError):  # compiled code
        return None
    # a parameter with a default may be the count, but not that of a module
    if any(not is_module or each.default is each.empty for each in parameters):
        return None
    # a module may need an input although the signature says otherwise; a function must work
    name = getattr(function, "__name__", type(function).__name__)
    with evaluation_mode(function), guest_code(f"The sampler {name!r}"), suppress(*([Exception] if is_module else [])):
        made = function()
        return made if isinstance(made, Sampler) else None
    return None
