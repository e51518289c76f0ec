"""Make a sampler and load weights into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genbench.errors import InputError, UsageError, described, refuse_address
from genbench.plugs.registry import Plug
from genbench.plugs.specs import Spec


def made_with_weights(maker: Plug, spec: Spec) -> Any:
    """Make a plug. Weights are one of its options, or loaded after it is made."""
    name = spec.name
    if "weights" not in spec.options or maker.takes("weights"):
        return maker.make(spec)
    made = maker.make(Spec(name, {option: value for option, value in spec.options.items() if option != "weights"}))
    load_weights(made, str(spec.options["weights"]), name)
    return made


def load_weights(sampler: object, weights: Path | str, name: str) -> None:
    """Load weights into a sampler. Raises UsageError if it has no weights, InputError if the file does not fit."""
    refuse_address(weights)
    load_file = getattr(sampler, "load", None)
    if load_file is None:
        raise UsageError(f"{name!r} loads no weights; leave them out.")
    try:
        load_file(Path(weights).expanduser())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InputError(
            f"{weights} cannot be loaded into {name!r} ({described(error)}); give its own weights."
        ) from error
