"""The registry of plugs: the installed names, and the class, factory or object that each of them stands for.

Built-in plugs and guests' plugs are entry points of the same groups: ``genbench.sources``, ``.samplers``,
``.extractors``, ``.metrics``, ``.benchmarks`` and ``.trackers``. A name ``module:attribute`` needs no entry point.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from genbench.errors import GenbenchError, PlugError, UsageError, did_you_mean
from genbench.plugs.specs import Spec, parse_spec

KINDS = ("trackers", "sources", "samplers", "extractors", "metrics", "benchmarks")

NUMERIC = {"int": "a whole number", "float": "a number", "bool": "true or false", "None": "none"}
"""Annotations of options whose values are checked, and their names in messages."""

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Plug:
    """What a name stands for: a class, a factory or an object."""

    kind: str
    name: str
    target: Any

    @property
    def signature(self) -> Mapping[str, inspect.Parameter] | None:
        """The parameters of the class or factory; None for compiled code and for plain objects."""
        try:
            return inspect.signature(self.target).parameters
        except (TypeError, ValueError):
            return None

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The options of the class or factory, as far as they are known."""
        return self.signature or {}

    @property
    def stands_alone(self) -> bool:
        """Whether no option is required. The other plugs of sources and samplers open a path or an object."""
        return not _required(self.parameters)

    @property
    def summary(self) -> str:
        """One line for people: the attribute ``about``, or the first line of the docstring."""
        about = getattr(self.target, "about", None)
        return about if isinstance(about, str) else (inspect.getdoc(self.target) or "").partition("\n")[0]

    def accepts(self, subject: object) -> bool:
        """Whether the plug opens this path or object."""
        accepts = getattr(self.target, "accepts", None)
        return accepts is not None and bool(accepts(subject))

    def make(self, spec: Spec, *subject: object) -> Any:
        """Return the plug made with the options of a spec, from a subject that it accepts if there is one.

        A class or the factory of an entry point is called. A guest's function is called if the options are all that
        it needs, otherwise the options are bound to it. A guest's object is returned, or, with options, opened by the
        first plug that accepts it. Raises UsageError for wrong options, PlugError if the plug raises.
        """
        # classes and factories are called
        if ":" not in self.name or inspect.isclass(self.target):
            return self._called(spec, subject) if callable(self.target) else self.target
        # a guest's object, or a function that waits for its arguments
        if not spec.options:
            return self.target
        if inspect.isroutine(self.target):
            self._check_options(spec, 0)
            if _required(self.parameters, given=spec.options):
                return functools.update_wrapper(functools.partial(self.target, **spec.options), self.target)
            return self._called(spec, subject)
        return open_accepted((self.kind,), self.target, spec)

    def _called(self, spec: Spec, subject: Sequence[object]) -> Any:
        # complain about the options before the call, because a TypeError would not name them well
        self._check_options(spec, len(subject))
        missing = _required(self.parameters, len(subject), spec.options)
        if missing:
            raise UsageError(f"{spec.name!r} needs the option {missing[0]!r}: write {spec.name},{missing[0]}=...")
        try:
            return self.target(*subject, **spec.options)
        except GenbenchError:
            raise
        except (ValueError, TypeError) as error:
            raise UsageError(f"{spec.name!r} refuses its options: {error}") from error
        except Exception as error:
            raise PlugError(f"{spec.name!r} could not be made: {type(error).__name__}: {error}") from error

    def _check_options(self, spec: Spec, given: int) -> None:
        """Raise UsageError for an option that does not exist; the first ``given`` parameters are no options."""
        # compiled code has no signature: the call itself decides
        if self.signature is None:
            return
        parameters = dict(list(self.signature.items())[given:])
        variadic = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
        for key in spec.options:
            if key not in parameters and not variadic:
                raise UsageError(f"{spec.name!r} has no option {key!r}{did_you_mean(key, parameters)}")
            if key in parameters:
                _check_kind(spec, key, str(parameters[key].annotation))


@cache
def installed(kind: str) -> dict[str, EntryPoint]:
    """Return the entry point of every installed plug of a kind, by name, in alphabetical order."""
    if kind not in KINDS:
        raise UsageError(f"There is no kind of plug called {kind!r}{did_you_mean(kind, KINDS)}")
    entries = {entry.name: entry for entry in entry_points(group=f"genbench.{kind}")}
    return dict(sorted(entries.items()))


def load(kind: str, spec: str | Spec) -> Any:
    """Return the plug that a spec names, made with the options of the spec.

    Raises UsageError for unknown names and options, PlugError if a guest cannot be imported or raises.
    """
    spec = parse_spec(spec) if isinstance(spec, str) else spec
    return plug(kind, spec.name).make(spec)


def plug(kind: str, name: str) -> Plug:
    """Return the plug of an installed name or of a guest's ``module:attribute``.

    Raises UsageError for an unknown name, PlugError if the plug cannot be imported.
    """
    if ":" in name:
        return Plug(kind, name, _imported(name))
    entries = installed(kind)
    if name not in entries:
        raise UsageError(f"There is no {kind[:-1]} called {name!r}{did_you_mean(name, entries)}")
    try:
        return Plug(kind, name, entries[name].load())
    except Exception as error:
        value = entries[name].value
        raise PlugError(f"The plug {name!r} ({value}) cannot be imported: {type(error).__name__}: {error}") from error


def named(kinds: Sequence[str], name: str) -> Plug | None:
    """Return the plug of an installed name, of the first kind that has it, or None."""
    # the first kind wins: a benchmark may have the name of a source
    kind = next((kind for kind in kinds if name in installed(kind)), None)
    return None if kind is None else plug(kind, name)


def open_accepted(kinds: Sequence[str], subject: object, spec: Spec | None = None) -> Any | None:
    """Open a path or object by the first plug that accepts it, with the options of a spec. None if no plug does."""
    # plugs are imported one after the other, until one accepts the subject
    for kind in kinds:
        for name in installed(kind):
            opener = plug(kind, name)
            if opener.accepts(subject):
                return opener.make(spec or Spec(name), subject)
    return None


def _check_kind(spec: Spec, key: str, annotation: str) -> None:
    """Raise UsageError if a numeric option has a value of another kind; other annotations are not checked."""
    kinds = set(re.findall(r"\w+", annotation.removeprefix("<class ")))
    value = spec.options[key]
    accepted = kinds | ({"int"} if "float" in kinds else set()) | ({"NoneType"} if "None" in kinds else set())
    if kinds and kinds <= NUMERIC.keys() and type(value).__name__ not in accepted:
        expected = " or ".join(text for kind, text in NUMERIC.items() if kind in kinds)
        raise UsageError(f"{spec.name!r} needs {expected} as option {key!r}, not {value!r}; write {key}=VALUE.")


def _required(
    parameters: Mapping[str, inspect.Parameter], skipped: int = 0, given: Mapping[str, Any] | None = None
) -> list[str]:
    """Return the parameters without a default that are not given; the first ``skipped`` are not counted."""
    return [
        key
        for key, parameter in list(parameters.items())[skipped:]
        if parameter.default is parameter.empty and parameter.kind not in VARIADIC and key not in (given or {})
    ]


def _imported(name: str) -> Any:
    """Import the object that ``module:attribute`` names."""
    module_name, _, attribute = name.partition(":")
    # a console script does not have the working folder on its path, as `python -m` has
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        target: Any = importlib.import_module(module_name)
    except Exception as error:
        raise PlugError(
            f"The module {module_name!r} of {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    # the attribute may be nested, as in module:Class.method
    for part in attribute.split("."):
        if not hasattr(target, part):
            public = [known for known in dir(target) if not known.startswith("_")]
            raise PlugError(f"{module_name!r} has no attribute {part!r}{did_you_mean(part, public)}")
        target = getattr(target, part)
    return target
