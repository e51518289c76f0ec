"""Specs: the one syntax for names, ``NAME[,key=value...]``, also as a comma-separated list."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from genbench.errors import UsageError

REAL = "real"
"""The name that stands for fresh real samples in a list of samplers."""

COMMAND = re.compile(r"(command(?:,\w+=[^,:]*)*):(.*)", re.DOTALL)
"""The one spec with another syntax, ``command[,key=value...]:PROGRAM ARGUMENTS``."""


NUMERIC = {"int": "a whole number", "float": "a number", "bool": "true or false", "None": "none"}
"""Annotations of options whose values are checked, and their names in messages."""


@dataclass(frozen=True)
class Spec:
    """A parsed name: ``Spec("is", {"splits": 1})`` for ``is,splits=1``; ``fd@digits`` has ``extractor="digits"``."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    extractor: str | None = None

    def __str__(self) -> str:
        at = f"@{self.extractor}" if self.extractor else ""
        return ",".join([self.name + at, *(f"{key}={_written(value)}" for key, value in self.options.items())])


def parse_specs(text: str) -> list[Spec]:
    """Parse a list such as ``is,splits=1,fid``. A part with ``=`` is an option of the name before it.

    Raises UsageError for an option without a name, for an option that is given twice, and for an empty name.
    """
    specs: list[Spec] = []
    for each in split_specs(text):
        # NAME or NAME@EXTRACTOR, and then KEY=VALUE
        called, *parts = each.split(",")
        name, at, extractor = called.partition("@")
        if at and not (name and extractor):
            raise UsageError(f"{called!r} is not of the form METRIC@EXTRACTOR, such as fd@digits.")
        options: dict[str, Any] = {}
        for part in parts:
            key, _, value = part.partition("=")
            option = key.replace("-", "_")
            if option in options:
                raise UsageError(f"{text!r} gives the option {option!r} twice.")
            options[option] = _parsed(value)
        specs.append(Spec(name, options, extractor or None))
    return specs


def split_specs(text: str) -> list[str]:
    """Split a list of specs, or of names of scores, such as ``fd@pixels,size=16,recall``, at the commas between them.

    A part ``KEY=VALUE`` belongs to the name before it. Raises UsageError if there is none, and for an empty name. The
    name of a panel's score, ``fdr@pixels-size=2+pixels-size=3``, is no option, because no key contains an ``@``.
    """
    specs: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if not part:
            raise UsageError(f"{text!r} has an empty name; write NAME[,key=value...].")
        key, equals, _ = part.partition("=")
        if not equals or "@" in key:
            specs.append(part)
        elif specs:
            specs[-1] += f",{part}"
        else:
            raise UsageError(f"{text!r} starts with an option; write NAME[,key=value...].")
    return specs


def parse_spec(text: str) -> Spec:
    """Parse one spec. Raises UsageError if the text contains several."""
    specs = parse_specs(text)
    if len(specs) > 1:
        raise UsageError(f"{text!r} contains {len(specs)} names, but one is expected; options are written key=value.")
    return specs[0]


def expects_text(annotation: str) -> bool:
    """Return whether an option with this annotation is a text or a path, and never a number."""
    words = set(re.findall(r"\w+", annotation))
    return bool(words & {"str", "Path", "PathLike"}) and not words & {"int", "float", "bool"}


def check_kind(spec: Spec, key: str, annotation: str) -> None:
    """Raise UsageError if a numeric option has a value of another kind; other annotations are not checked."""
    kinds = set(re.findall(r"\w+", annotation.removeprefix("<class ")))
    value = spec.options[key]
    accepted = kinds | ({"int"} if "float" in kinds else set()) | ({"NoneType"} if "None" in kinds else set())
    if kinds and kinds <= NUMERIC.keys() and type(value).__name__ not in accepted:
        expected = " or ".join(text for kind, text in NUMERIC.items() if kind in kinds)
        raise UsageError(f"{spec.name!r} needs {expected} as option {key!r}, not {value!r}; write {key}=VALUE.")


def _parsed(text: str) -> Any:
    """Return the value of an option: a bool, None, an int, a float, or the text itself."""
    # words, then numbers, then text
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _written(value: object) -> str:
    """Return the text that ``_parsed`` reads as this value."""
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def bound_options(function: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function with options bound to it, under its own name."""
    bound = functools.update_wrapper(functools.partial(function, **options), function)
    # otherwise inspect would show the parameters of the function as if nothing were bound
    del bound.__wrapped__
    return bound
