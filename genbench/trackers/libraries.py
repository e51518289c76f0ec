"""Import a tracker's client library when it is first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from genbench.errors import UsageError


def import_library(module: str, attribute: str, *, extra: str) -> Any:
    """Return a module that has an attribute. Raises UsageError, with the extra to install, if there is none."""
    # Client libraries are optional dependencies.
    try:
        library = import_module(module)
    except ImportError:
        library = None
    # Python can also import a plain folder of that name, such as the folder "wandb" that W&B creates.
    if not hasattr(library, attribute):
        raise UsageError(f"{extra} is not installed; run `pip install 'genbench[{extra}]'` and try again.")
    return library
