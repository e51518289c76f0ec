"""A tracker's client library, imported when it is first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from genbench.errors import UsageError


def library(module: str, wanted: str, *, extra: str) -> Any:
    """Return a module that has the attribute ``wanted``. Raises UsageError, naming the extra, where there is none."""
    try:
        found = import_module(module)
    except ImportError:
        found = None
    if not hasattr(found, wanted):  # a folder of that name, such as wandb leaves behind, can be imported as well
        raise UsageError(f"{extra} is not installed; type `pip install 'genbench[{extra}]'` and run again.")
    return found
