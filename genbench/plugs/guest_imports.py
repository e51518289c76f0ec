"""Import a guest's ``module:attribute``; whatever its code raises becomes one sentence."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genbench.errors import OWN_ERRORS, PlugError, UsageError, described, did_you_mean, refuse_address


@contextmanager
def required_to_work(failure: str, *, passing: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Turn whatever a guest's code raises into a PlugError that starts with ``failure``."""
    try:
        yield
    except (*OWN_ERRORS, *passing):
        raise
    except BaseException as error:
        raise PlugError(f"{failure}: {described(error)}.") from error


def imported(name: str) -> Any:
    """Import the object that ``module:attribute`` names.

    Raises UsageError if there is no such module or attribute, PlugError if the module cannot be imported.
    """
    refuse_address(name)
    module_name, _, attribute = name.partition(":")
    # a console script does not have the working folder on its path, as `python -m` has
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    with required_to_work(f"The module {module_name!r} of {name!r} cannot be imported"):
        try:
            target: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            # a library that the module needs is no mistyped name
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            raise UsageError(
                f"There is no module {error.name!r} for {name!r}; check it (you are in {folder})."
            ) from error
    # the attribute may be nested, as in module:Class.method
    for part in attribute.split("."):
        if not hasattr(target, part):
            public = [known for known in dir(target) if not known.startswith("_")]
            raise UsageError(f"{module_name!r} has no attribute {part!r}{did_you_mean(part, public)}")
        target = getattr(target, part)
    return target
