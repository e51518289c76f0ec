"""Call a sampler with a count and a seed: only a parameter called ``seed`` gets the seed."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from genbench.errors import PlugError

SEED = "seed"

VARIADIC_KINDS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""Kinds of parameters that need no value."""


def call_sampler(function: Callable[..., Any], what: object, seed: int) -> Any:
    """Return ``function(what, seed)``; ``what`` is the count, or the classes of the samples.

    The first parameter gets ``what``. The seed goes to a parameter called ``seed``, or to ``**options``, and nowhere
    else. The global generators of torch, numpy and Python are seeded for the call and restored afterwards. So a
    function without a seed is repeatable, too, and no function disturbs its caller.
    """
    name = str(getattr(function, "__qualname__", type(function).__name__))
    arguments = _arguments(inspect_call(function, name), what, seed)
    with seeded_generators(seed):
        return function(*arguments.args, **arguments.kwargs)


def inspect_call(function: Callable[..., Any], name: str) -> inspect.Signature:
    """Return the parameters of a sampler's function. Raises PlugError if it cannot be called with a count and a seed.

    Compiled code may hide its parameters; then the count is the only argument.
    """
    # the parameter of the seed is filled separately
    signature = _signature(function)
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != SEED]
    what = next(iter(parameters), None)
    # the count needs a parameter; one that is given by name only must be called so
    if what is None or what.kind is what.VAR_KEYWORD or (what.kind is what.KEYWORD_ONLY and what.name != "count"):
        raise PlugError(f"The sampler {name!r} has the parameters {signature}; expected (count, seed) or (count).")
    # nobody would know what to pass to further parameters
    for other in parameters[1:]:
        if other.default is other.empty and other.kind not in VARIADIC_KINDS:
            raise PlugError(
                f"The sampler {name!r} needs a value for {other.name!r}, but expected (count, seed) or (count): give "
                f"it a default, bind it (functools.partial, or module:function,{other.name}=...), or call it 'seed' "
                "if it is the seed."
            )
    return signature


@contextmanager
def seeded_generators(seed: int) -> Iterator[None]:
    """Seed the global generators of torch, numpy and Python; restore their states afterwards."""
    import numpy as np
    import torch

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


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the parameters of a callable; of compiled code that hides them, ``(count, /)``."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        pass
    # a method of TorchScript has a schema, whose first argument is the module
    schema = getattr(function, "schema", None)
    if schema is None:
        return inspect.Signature([inspect.Parameter("count", inspect.Parameter.POSITIONAL_ONLY)])
    defaults = [{"default": one.default_value} if one.has_default_value() else {} for one in schema.arguments[1:]]
    return inspect.Signature(
        [
            inspect.Parameter(one.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, **default)
            for one, default in zip(schema.arguments[1:], defaults, strict=True)
        ]
    )


def _arguments(signature: inspect.Signature, what: object, seed: int) -> inspect.BoundArguments:
    """Bind the count and the seed to the parameters of a signature that ``inspect_call`` has accepted."""
    # inspect turns names into positional and keyword arguments
    values: dict[str, Any] = {}
    first = next(name for name in signature.parameters if name != SEED)
    for name, parameter in signature.parameters.items():
        if name == first:
            values[name] = (what,) if parameter.kind is parameter.VAR_POSITIONAL else what
        elif name == SEED:
            values[name] = seed
        elif parameter.kind is parameter.VAR_KEYWORD and SEED not in signature.parameters:
            values[name] = {SEED: seed}
    return inspect.BoundArguments(signature, values)
