"""From what a person typed or passed to the plug it means: a path, a spec, or an object at hand."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genbench.errors import InputError, PlugError, UsageError, did_you_mean
from genbench.features.features import Features, Moments
from genbench.plugs import registry
from genbench.plugs.contracts import Extractor, Sampler, Source
from genbench.plugs.specs import Spec, parse_spec


def open_subject(subject: object, kinds: tuple[str, ...] = ("sources", "samplers")) -> Source | Sampler:
    """Return the Source or Sampler that a path, a spec or an object means; a Path is a path and never a name.

    Raises InputError for a path that is not there or holds nothing usable, UsageError for an unknown name,
    PlugError for an object that is neither.
    """
    opened = subject
    if isinstance(subject, Path):
        opened = _at(subject, Spec(str(subject)), kinds)
    elif isinstance(subject, str):
        opened = _named(subject, kinds)
    if inspect.isclass(opened):
        opened = opened()
    if isinstance(opened, (Source, Sampler)):
        return opened
    # a module or function may also look like a sequence, so the callable side is asked first
    order = ("samplers", "sources") if callable(opened) else ("sources", "samplers")
    for kind in order:
        found = registry.open_subject(kind, opened)
        if found is not None:
            return found  # type: ignore[no-any-return]
    raise PlugError(
        f"{subject!r} is neither samples nor a sampler; give a folder, archive, array, Dataset or iterable of "
        "batches, or something with sample(count, seed)."
    )


def open_reference(reference: object | None, *, space: str = "fid") -> tuple[Source | Features | None, Moments | None]:
    """Return the reference's rows and its moments, as far as what was given has them.

    A statistics file gives moments; ADM's may hold samples beside them. ``space`` says which moments are meant where
    a file holds several, as EDM's do: ``fid`` or ``fd_dinov2``.
    """
    if reference is None:
        return None, None
    if isinstance(reference, Moments):
        return None, reference
    if isinstance(reference, Features):
        return reference, None
    path = Path(reference).expanduser() if isinstance(reference, (str, Path)) else None
    if path is not None and path.is_file():
        from genbench.features.statistics_files import has_images, read_reference

        found = read_reference(path, name=space)
        name = str(reference).encode(errors="replace").decode()  # a path's bytes need not be text
        if isinstance(found, Features):
            return replace(found, name=name), None
        moments = replace(found, name=name) if found is not None else None
        if moments is not None and not has_images(path):
            return None, moments
        return open_source(reference), moments
    return open_source(reference), None


def open_extractor(text: str, *, device: str, **asked: str | None) -> Extractor:
    """Return the extractor that a spec names, on a device where it takes one.

    ``asked`` (weights, precision, backend; None where nothing is asked) raises UsageError where it takes no such thing.
    """
    spec = parse_spec(text)
    wishes = {name: value for name, value in asked.items() if value is not None}
    if ":" in spec.name:
        _refuse(spec, wishes)
    plug = registry.load("extractors", spec) if ":" in spec.name else _built_in(spec, device, wishes)
    if isinstance(plug, Extractor):
        return plug
    found = registry.open_subject("extractors", plug)
    if found is None:
        raise PlugError(f"{text!r} is no extractor: it needs name, identity and __call__(data) -> views.")
    if hasattr(found, "device"):
        found.device = device
    return found  # type: ignore[no-any-return]


def _built_in(spec: Spec, device: str, wishes: Mapping[str, str]) -> Any:
    if Path(spec.name).is_file():
        _refuse(spec, wishes)
        return Path(spec.name)
    parameters = inspect.signature(registry.factory("extractors", spec.name)).parameters
    given = {"device": device} if "device" in parameters else {}
    _refuse(spec, {name: value for name, value in wishes.items() if name not in parameters})
    if "weights" in wishes:
        given["weights"] = str(Path(wishes["weights"]).expanduser())
    return registry.load("extractors", Spec(spec.name, {**wishes, **given, **spec.options}))


def _refuse(spec: Spec, wishes: Mapping[str, str]) -> None:
    for name in wishes:
        raise UsageError(f"The extractor {spec.name!r} has no {name} to choose; leave out --{name}.")


def open_source(samples: object) -> Source:
    """Return the Source that a path, a spec or an object means. Raises UsageError where it is a sampler."""
    opened = open_subject(samples, ("sources",))
    if not isinstance(opened, Source):
        raise UsageError(f"{samples!r} is a sampler; a reference is a set of samples, so give those.")
    return opened


def load_weights(sampler: object, weights: Path | str, name: str) -> None:
    """Give a sampler its weights. Raises UsageError where it loads none, InputError where these are not its own."""
    load = getattr(sampler, "load", None)
    if load is None:
        raise UsageError(f"{name!r} loads no weights; leave them out.")
    try:
        load(Path(weights).expanduser())
    except Exception as error:
        raise InputError(f"{weights} cannot be loaded into {name!r} ({error}); give its own weights.") from error


def _named(text: str, kinds: tuple[str, ...]) -> Any:
    if not text.strip():
        raise UsageError("The name of samples or of a sampler is empty; give a path or a name.")
    if text.startswith("command:"):  # commas and equal signs in there are the program's
        return registry.load("samplers", Spec("command", {"command": text.removeprefix("command:")}))
    path = Path(text).expanduser()
    if path.exists():
        _refuse_two_meanings(text, kinds)
        return _at(path, Spec(text), kinds)
    spec = parse_spec(text) if re.search("[,=]", text) else Spec(text)
    if ":" in spec.name and "/" not in spec.name.partition(":")[0]:
        return registry.load(kinds[0], spec)
    for kind in kinds:  # before the path: a recipe's digits,split=test means the same whatever folders lie here
        if spec.name in registry.installed(kind):
            _require_alone(kind, spec)
            return _loaded(kind, spec)
    path = Path(spec.name).expanduser()
    if path.exists():
        return _at(path, spec, kinds)
    raise _unknown(text, spec.name, kinds)


def _loaded(kind: str, spec: Spec) -> Any:
    """Load a plug; ``weights=`` goes to the ``load`` of one that has no such option itself."""
    if "weights" not in spec.options or "weights" in _parameters(kind, spec.name):
        return registry.load(kind, spec)
    rest = {key: value for key, value in spec.options.items() if key != "weights"}
    plug = registry.load(kind, Spec(spec.name, rest))
    load_weights(plug, str(spec.options["weights"]), spec.name)
    return plug


def _refuse_two_meanings(text: str, kinds: tuple[str, ...]) -> None:
    kind = next((kind for kind in kinds if text in registry.installed(kind)), None)
    if kind is not None and _stands_alone(kind, text):
        raise UsageError(
            f"{text!r} is a path here and one of the {kind} that genbench knows; write ./{text} for the path, or an "
            f"option, as in {text},{next(iter(_parameters(kind, text)), 'option')}=..., for the other."
        )


def _require_alone(kind: str, spec: Spec) -> None:
    if not spec.options and not _stands_alone(kind, spec.name):
        raise UsageError(
            f"There is no {spec.name!r} here, and as a name it only says how genbench opens some {kind}; give the path "
            "itself, or in Python the object."
        )


def _at(path: Path, spec: Spec, kinds: tuple[str, ...]) -> Any:
    """Open what lies at a path, with the options of the spec."""
    path = path.expanduser()
    if not path.exists():
        raise _no_path(str(path), kinds)
    for kind in kinds:
        found = registry.open_subject(kind, path, spec)
        if found is not None:
            return found
    statistics = "" if "samplers" in kinds else ", or statistics (.npz of mu and sigma, .pkl, .safetensors)"
    raise InputError(
        f"{path} is not something to score{' against' if statistics else ''}: wanted a folder or zip of images, an "
        f".npz with arr_0, or an .npy{statistics}."
    )


def _unknown(text: str, name: str, kinds: tuple[str, ...]) -> UsageError | InputError:
    """Return what to raise for a text that names nothing: a mistyped name, or a path that is not there."""
    known = {name: kind for kind in reversed(kinds) for name in registry.installed(kind) if _stands_alone(kind, name)}
    is_path = "/" in name or "\\" in name or bool(Path(name).suffix)
    hint = did_you_mean(name, known)
    if not is_path and "did you mean" in hint:
        return UsageError(f"{text!r} is neither a path here nor a name of {' or '.join(kinds)}{hint}")
    return _no_path(text, kinds, "" if is_path else ", nor a name that `genbench list` shows")


def _no_path(text: str, kinds: tuple[str, ...], names: str = "") -> InputError:
    sampler = "; a sampler of your own is written module:attribute" if kinds[0] == "samplers" else ""
    return InputError(f"{text}: no such file or folder{names}; check the path (you are in {Path.cwd()}){sampler}.")


def _stands_alone(kind: str, name: str) -> bool:
    """Whether a plug can be made by its name alone; the others only open a path or an object."""
    empty = inspect.Parameter.empty
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = _parameters(kind, name).values()
    return all(parameter.default is not empty or parameter.kind in variable for parameter in found)


def _parameters(kind: str, name: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(registry.factory(kind, name)).parameters
