"""Call a sampler with a count and a seed, as its own parameters take them, and describe the call in messages."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from genbench.errors import PlugError

SEEDS = ("seed", "random_state")
"""Names of the parameter that gets the seed; the second one is that of scikit-learn and SciPy."""

VARIADIC_KINDS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""Kinds of parameters that need no value."""

WRAPPER = """
    def draw(count, seed):
        samples = model.sample(count)  # the call that your model needs
        return samples  # uint8 [count, H, W, 3] or [count, 3, H, W], or float points [count, D]"""
"""What a user writes for a model that genbench cannot call as it is."""


def call_sampler(function: Callable[..., Any], what: object, seed: int) -> Any:
    """Return ``function(what, seed)``; ``what`` is the count, or the classes of the samples.

    The first parameter gets ``what``; one whose name ends in ``shape``, as in torch.distributions, gets ``(count,)``.
    The seed goes to a parameter with one of the names in ``SEEDS``, or to ``**options``, and nowhere else. The global
    generators of torch, numpy and Python are seeded for the call and restored afterwards. So a function without a seed
    is repeatable, too, and no function disturbs its caller. The method of a torch module is called in evaluation mode.
    """
    arguments = _arguments(inspect_call(function, _call_name(function)), what, seed)
    with seeded_generators(seed), _own_generator(function, seed), _evaluation_mode(function):
        return function(*arguments.args, **arguments.kwargs)


def inspect_call(function: Callable[..., Any], name: str) -> inspect.Signature:
    """Return the parameters of a sampler's function. Raises PlugError if it cannot be called with a count and a seed.

    Compiled code may hide its parameters; then the count is the only argument.
    """
    # the parameter of the seed is filled separately
    signature = _parameters_of(function)
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name not in SEEDS]
    what = next(iter(parameters), None)
    # the count needs a parameter; one that is given by name only must be called so
    if what is None or what.kind is what.VAR_KEYWORD or (what.kind is what.KEYWORD_ONLY and what.name != "count"):
        raise PlugError(
            f"The sampler {name!r} has the parameters {signature}; expected (count, seed) or (count): write it as",
            WRAPPER,
        )
    # nobody would know what to pass to further parameters
    for other in parameters[1:]:
        if other.default is other.empty and other.kind not in VARIADIC_KINDS:
            raise PlugError(
                f"The sampler {name!r} needs a value for {other.name!r}, but expected (count, seed) or (count): give "
                f"it a default, bind it (functools.partial, or module:function,{other.name}=...), call it 'seed' if it "
                "is the seed, or write",
                WRAPPER,
            )
    return signature


def call_hint(sampler: object, method: str, what: object, seed: int) -> str:
    """Return how genbench called a guest of another library, as a sentence that ends with WRAPPER; otherwise empty."""
    # what stands for a guest has it as ``__wrapped__``
    guest: Any = inspect.unwrap(sampler)  # type: ignore[arg-type]
    if type(guest).__module__.startswith("genbench."):
        return ""
    function = getattr(guest, method, guest)
    signature = inspect_call(function, _call_name(function))
    # a guest with a seed of that name was written for genbench, so it gets the call that it expects
    if SEEDS[0] in signature.parameters:
        return ""
    values = _arguments(signature, what, seed).arguments
    given = ", ".join(f"{name}={_as_text(value)}" for name, value in values.items())
    return f" It was called as {_call_name(function)}({given}); if it needs another call, write"


def _call_name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def _as_text(value: object) -> str:
    """Return an argument as text; of an array its dtype and shape."""
    return f"{value.dtype} {list(value.shape)}" if hasattr(value, "dtype") and hasattr(value, "shape") else repr(value)


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


@contextmanager
def _own_generator(function: Callable[..., Any], seed: int) -> Iterator[None]:
    """Give the object of a method the seed as its ``random_state``, as scikit-learn's models have it; restore it.

    With a fixed ``random_state`` every call would give the same samples. None is left as it is: it stands for NumPy's
    global generator.
    """
    # only a method belongs to an object
    owner = getattr(function, "__self__", None)
    own = getattr(owner, "random_state", None)
    if owner is None or own is None:
        yield
        return
    owner.random_state = seed % 2**32
    try:
        yield
    finally:
        owner.random_state = own


def _evaluation_mode(function: Callable[..., Any]) -> AbstractContextManager[None]:
    """Put the torch module that a method belongs to into evaluation mode, as for networks."""
    # torch is imported only if there may be a module
    owner = getattr(function, "__self__", None)
    if not hasattr(owner, "eval"):
        return nullcontext()
    from genbench.plugs.torch_modules import evaluation_mode

    return evaluation_mode(owner)


def _parameters_of(function: Callable[..., Any]) -> inspect.Signature:
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
    first = next(name for name in signature.parameters if name not in SEEDS)
    for name, parameter in signature.parameters.items():
        if name == first:
            value = (what,) if name.endswith("shape") and isinstance(what, int) else what
            values[name] = (value,) if parameter.kind is parameter.VAR_POSITIONAL else value
        elif name in SEEDS:
            values[name] = seed
        elif parameter.kind is parameter.VAR_KEYWORD and not set(SEEDS) & set(signature.parameters):
            values[name] = {SEEDS[0]: seed}
    return inspect.BoundArguments(signature, values)
