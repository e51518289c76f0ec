"""Every public name completes, is explained, and has types."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import genbench


def public_functions(value: Any) -> Iterator[Callable[..., Any]]:
    """Yield a function itself, the public functions of a module, or the methods and properties of a class."""
    if inspect.isfunction(value):
        yield value
    elif inspect.isclass(value) or inspect.ismodule(value):
        home = value.__name__ if inspect.ismodule(value) else value.__module__
        for name, member in vars(value).items():
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            # neither private ones, nor what a module imports
            if inspect.isfunction(function) and function.__module__ == home and not name.startswith("_"):
                yield function


def test_all_public_names_complete() -> None:
    assert set(genbench.__all__) <= set(dir(genbench))
    # each name is loaded from where the package says that it is
    assert all(getattr(genbench, name) is not None for name in genbench.__all__)


def test_the_package_says_that_it_has_types() -> None:
    assert (Path(genbench.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("name", genbench.__all__)
def test_a_public_name_is_explained(name: str) -> None:
    value = getattr(genbench, name)
    text = value.__doc__
    # a dataclass without a docstring gets its signature as one
    assert text
    assert not text.startswith(f"{name}(")
    for function in public_functions(value):
        assert function.__doc__, function.__qualname__


@pytest.mark.parametrize("name", genbench.__all__)
def test_a_public_name_has_types(name: str) -> None:
    for function in public_functions(getattr(genbench, name)):
        signature = inspect.signature(function)
        untyped = [
            each.name
            for each in signature.parameters.values()
            if each.annotation is each.empty and each.name not in ("self", "cls")
        ]
        assert not untyped, function.__qualname__
        assert signature.return_annotation is not signature.empty, function.__qualname__
