"""Import the libraries that only some formats of data need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from genbench.errors import UsageError


def optional_library(module: str, *, extra: str) -> Any:
    """Return a module. Raises UsageError, with the extra to install, if it cannot be imported."""
    # the extras of genbench name the libraries that it was tested with
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise UsageError(
            f"{library} is needed for this file and cannot be imported; run `pip install 'genbench[{extra}]'`."
        ) from error
