"""The registry of plugs: the installed names, and the class, factory or object that each of them stands for.

Built-in plugs and guests' plugs are entry points of the same groups: ``genbench.sources``, ``.samplers``,
``.extractors``, ``.metrics``, ``.panels``, ``.benchmarks`` and ``.trackers``. A name ``module:attribute`` needs no
entry point.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from genbench.errors import (
    PlugError,
    PlugWarning,
    UsageError,
    described,
    did_you_mean,
    guest_code,
)
from genbench.plugs.guest_imports import imported, required_to_work
from genbench.plugs.specs import Spec, bound_options, check_kind, expects_text, parse_spec

KINDS = ("trackers", "sources", "samplers", "extractors", "metrics", "panels", "benchmarks")

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

    def takes(self, option: str) -> bool:
        """Whether a class or a factory has an option of this name, or takes any option; a guest's object takes none."""
        if ":" in self.name and not (inspect.isclass(self.target) or inspect.isroutine(self.target)):
            return False
        kinds = [parameter.kind for parameter in self.parameters.values()]
        return option in self.parameters or inspect.Parameter.VAR_KEYWORD in kinds

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
            # genbench would replace this seed by its own
            if self.kind == "samplers" and "seed" in spec.options:
                raise UsageError(f"{spec.name!r} gets another seed for each chunk: leave out seed=..., and use --seed.")
            if _required(self.parameters, given=spec.options):
                return bound_options(self.target, spec.options)
            return self._called(spec, subject)
        return open_accepted((self.kind,), self.target, spec)

    def _called(self, spec: Spec, subject: Sequence[object]) -> Any:
        # complain about the options before the call, because a TypeError would not name them well
        self._check_options(spec, len(subject))
        missing = _required(self.parameters, len(subject), spec.options)
        if missing:
            raise UsageError(f"{spec.name!r} needs the option {missing[0]!r}: write {spec.name},{missing[0]}=...")
        try:
            with required_to_work(f"{spec.name!r} could not be made", passing=(ValueError, TypeError)):
                return self.target(*subject, **self._typed(spec.options))
        except (ValueError, TypeError) as error:
            reason = described(error).partition(": ")[2].rstrip(".")
            raise UsageError(f"{spec.name!r} refuses its options: {reason}.") from error

    def _typed(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options with numbers as text where only text is expected: a folder may be called 2024."""
        texts = {key for key, parameter in self.parameters.items() if expects_text(str(parameter.annotation))}
        return {k: str(v) if k in texts and isinstance(v, (int, float)) else v for k, v in options.items()}

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
                check_kind(spec, key, str(parameters[key].annotation))


@cache
def installed(kind: str) -> dict[str, EntryPoint]:
    """Return the entry point of every installed plug of a kind, by name, in alphabetical order."""
    if kind not in KINDS:
        raise UsageError(f"There is no kind of plug called {kind!r}{did_you_mean(kind, KINDS)}")
    return {name: entries[0] for name, entries in _registrations()[kind].items()}


@cache
def _registrations() -> dict[str, dict[str, list[EntryPoint]]]:
    """Return the entry points by kind and name; a name that stands for several objects has several."""
    registrations: dict[str, dict[str, list[EntryPoint]]] = {}
    # one scan of all installed packages for all kinds
    every = entry_points()
    for kind in KINDS:
        # genbench's own come first among those of one name
        entries = sorted(
            every.select(group=f"genbench.{kind}"), key=lambda each: not each.value.startswith("genbench.")
        )
        of_kind = registrations[kind] = {}
        for entry in sorted(entries, key=lambda each: each.name):
            same_name = of_kind.setdefault(entry.name, [])
            # one package may be installed twice, as in an editable installation
            if entry.value not in [other.value for other in same_name]:
                same_name.append(entry)
    return registrations


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
        return Plug(kind, name, imported(name))
    require_installed(kind, name)
    require_one(kind, name)
    return _imported_entry(kind, installed(kind)[name])


def require_installed(kind: str, name: str) -> None:
    """Raise UsageError if no plug of that kind has the name. Nothing is imported to find out."""
    entries = installed(kind)
    if name not in entries:
        raise UsageError(f"There is no {kind[:-1]} called {name!r}{did_you_mean(name, entries)}")


def require_one(kind: str, name: str) -> None:
    """Raise PlugError if several packages give a plug of that kind this name."""
    # nobody could say which of them a result is by
    entries = _registrations()[kind][name]
    if len(entries) > 1:
        packages = [f"{entry.dist.name if entry.dist else 'a package'} ({entry.value})" for entry in entries]
        raise PlugError(
            f"The {kind[:-1]} {name!r} is registered by {' and by '.join(packages)}, so the name says too little: "
            "uninstall one of the packages, or write module:attribute instead of the name."
        )


def _imported_entry(kind: str, entry: EntryPoint) -> Plug:
    """Return the plug of an entry point. Raises PlugError if it cannot be imported."""
    with required_to_work(f"The plug {entry.name!r} ({entry.value}) cannot be imported"):
        return Plug(kind, entry.name, entry.load())


def named(kinds: Sequence[str], name: str) -> Plug | None:
    """Return the plug of an installed name, of the first kind that has it, or None."""
    # the first kind wins: a benchmark may have the name of a source
    kind = next((kind for kind in kinds if name in installed(kind)), None)
    return None if kind is None else plug(kind, name)


def open_accepted(kinds: Sequence[str], subject: object, spec: Spec | None = None) -> Any | None:
    """Open a path or object by the first plug that accepts it, with the options of a spec. None if no plug does.

    A plug that cannot be imported, or fails when it is asked, is left out with a PlugWarning. Raises PlugError if the
    name of the plug that accepts the subject stands for several.
    """
    # plugs are imported one after the other, until one accepts the subject
    for kind in kinds:
        for name, entries in _registrations()[kind].items():
            for opener in filter(None, (_usable(kind, entry) for entry in entries)):
                if _accepts(opener, subject):
                    require_one(kind, name)
                    return opener.make(spec or Spec(name), subject)
    return None


@cache
def _usable(kind: str, entry: EntryPoint) -> Plug | None:
    """Return the plug of an entry point; None, with a warning, if it cannot be imported."""
    try:
        return _imported_entry(kind, entry)
    except PlugError as error:
        warnings.warn(f"{error} It is left out.", PlugWarning, stacklevel=3)
        return None


def _accepts(opener: Plug, subject: object) -> bool:
    """Return whether a plug opens a subject; False, with a warning, if it raises."""
    # only plugs that open the subject matter
    try:
        with guest_code(f"The {opener.kind[:-1]} {opener.name!r}"):
            return opener.accepts(subject)
    except PlugError as error:
        warnings.warn(f"{error} It is left out.", PlugWarning, stacklevel=3)
        return False


def _required(
    parameters: Mapping[str, inspect.Parameter], skipped: int = 0, given: Mapping[str, Any] | None = None
) -> list[str]:
    """Return the parameters without a default that are not given; the first ``skipped`` are not counted."""
    return [
        key
        for key, parameter in list(parameters.items())[skipped:]
        if parameter.default is parameter.empty and parameter.kind not in VARIADIC and key not in (given or {})
    ]
