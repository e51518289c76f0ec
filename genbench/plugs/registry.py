"""One string names anything: ``NAME[,key=value...]`` or ``module:attribute[,key=value...]``.

Built-in plugs come in by the same entry points as guests' plugs, in the groups ``genbench.sources``, ``.samplers``,
``.extractors``, ``.metrics``, ``.benchmarks`` and ``.trackers``.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from genbench.errors import GenbenchError, PlugError, UsageError, did_you_mean
from genbench.plugs.specs import Spec, parse_spec

KINDS = ("trackers", "sources", "samplers", "extractors", "metrics", "benchmarks")


@cache
def installed(kind: str) -> dict[str, EntryPoint]:
    """Return every plug of a kind that is installed, by name, in alphabetical order."""
    if kind not in KINDS:
        raise UsageError(f"No kind of plug is called {kind!r}{did_you_mean(kind, KINDS)}")
    found = {entry.name: entry for entry in entry_points(group=f"genbench.{kind}")}
    return dict(sorted(found.items()))


def load(kind: str, text: str | Spec) -> Any:
    """Return the plug that a spec names, made with the spec's options.

    The class or factory of an entry point is called with the options. So is the class of a guest module; a function
    is called where the options are all it needs, and bound to them where it needs more; any other object is made a
    plug by the first that accepts it. Raises UsageError for unknown names and options, PlugError where a guest cannot
    be imported or raises.
    """
    spec = parse_spec(text) if isinstance(text, str) else text
    if ":" not in spec.name:
        target = factory(kind, spec.name)
        return _call(target, spec) if callable(target) else target
    target = _guest(spec.name)
    if inspect.isclass(target):
        return _call(target, spec)
    if not spec.options:
        return target
    return _bound(target, spec) if inspect.isroutine(target) else open_subject(kind, target, spec)


def factory(kind: str, name: str) -> Any:
    """Return what an entry point names, as it is. Raises UsageError for an unknown name."""
    plugs = installed(kind)
    if name not in plugs:
        raise UsageError(f"No {kind[:-1]} is called {name!r}{did_you_mean(name, plugs)}")
    return _load_entry(plugs[name])


def describe(kind: str) -> list[tuple[str, str]]:
    """Return the name and one line about each installed plug of a kind."""
    return [(name, _about(_load_entry(entry))) for name, entry in installed(kind).items()]


def open_subject(kind: str, subject: object, spec: Spec | None = None) -> Any | None:
    """Return ``plug(subject, **options)`` for the first plug of a kind that accepts the path or object, or None."""
    for entry in installed(kind).values():
        plug = _load_entry(entry)
        accepts = getattr(plug, "accepts", None)
        if accepts is not None and accepts(subject):
            return _call(plug, spec, subject) if spec else plug(subject)
    return None


def _about(plug: Any) -> str:
    about = getattr(plug, "about", None)
    if isinstance(about, str):
        return about
    return (inspect.getdoc(plug) or "").partition("\n")[0]


def _call(target: Any, spec: Spec, *given: object) -> Any:
    missing = _check_options(target, spec, len(given))
    if missing:
        raise UsageError(f"{spec.name!r} needs the option {missing[0]!r}: write {spec.name},{missing[0]}=...")
    try:
        return target(*given, **spec.options)
    except GenbenchError:
        raise
    except (ValueError, TypeError) as error:
        raise UsageError(f"{spec.name!r} refuses its options: {error}") from error
    except Exception as error:
        raise PlugError(f"{spec.name!r} could not be made: {type(error).__name__}: {error}") from error


def _bound(function: Any, spec: Spec) -> Any:
    if not _check_options(function, spec):
        return _call(function, spec)
    return functools.update_wrapper(functools.partial(function, **spec.options), function)


def _check_options(target: Any, spec: Spec, given: int = 0) -> list[str]:
    """Return the parameters that the options leave out but that are needed. Raises UsageError for unknown options."""
    try:
        parameters = dict(list(inspect.signature(target).parameters.items())[given:])
    except (TypeError, ValueError):  # compiled code may not tell
        return []
    kinds = {parameter.kind for parameter in parameters.values()}
    for key in spec.options:
        if key not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise UsageError(f"{spec.name!r} has no option {key!r}{did_you_mean(key, parameters)}")
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        key
        for key, parameter in parameters.items()
        if parameter.default is parameter.empty and parameter.kind not in variable and key not in spec.options
    ]


def _load_entry(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:
        raise PlugError(
            f"The plug {entry.name!r} ({entry.value}) cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _guest(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # a console script does not see the working folder, `python -m` does
        sys.path.insert(0, here)
    try:
        target: Any = importlib.import_module(module_name)
    except Exception as error:
        raise PlugError(
            f"The module {module_name!r} of {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    for part in attribute.split("."):
        if not hasattr(target, part):
            raise PlugError(f"{module_name!r} has no attribute {part!r}{did_you_mean(part, _public(target))}")
        target = getattr(target, part)
    return target


def _public(target: object) -> list[str]:
    return [name for name in dir(target) if not name.startswith("_")]
