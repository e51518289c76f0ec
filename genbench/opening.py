"""From what a person typed or passed to the plug it means: a path, a spec, or an object at hand."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from genbench import registry
from genbench.errors import InputError, PlugError, UsageError, did_you_mean
from genbench.features import Features, Moments
from genbench.protocols import Extractor, Sampler, Source


def open_subject(subject: object, kinds: tuple[str, ...] = ("sources", "samplers")) -> Source | Sampler:
    """Return the Source or Sampler that a path, a spec or an object means.

    Raises InputError for a path that is not there or holds nothing usable, UsageError for an unknown name,
    PlugError for an object that is neither.
    """
    opened = _named(str(subject), kinds) if isinstance(subject, (str, Path)) else subject
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
    if isinstance(reference, (str, Path)) and Path(reference).is_file():
        from genbench.statistics import has_images, read_reference

        found = read_reference(Path(reference), space=space)
        if isinstance(found, Features):
            return replace(found, name=str(reference)), None
        moments = replace(found, name=str(reference)) if found is not None else None
        if moments is not None and not has_images(Path(reference)):
            return None, moments
        return _as_source(reference), moments
    return _as_source(reference), None


def open_extractor(text: str, *, device: str, weights: str | None) -> Extractor:
    """Return the extractor that a spec names; device and weights go to one that takes them."""
    spec = registry.parse(text)
    plug = registry.load("extractors", spec) if ":" in spec.name else _built_in(spec, device, weights)
    if isinstance(plug, Extractor):
        return plug
    found = registry.open_subject("extractors", plug)
    if found is None:
        raise PlugError(f"{text!r} is no extractor: it needs name, identity and __call__(data) -> views.")
    if hasattr(found, "device"):
        found.device = device
    return found  # type: ignore[no-any-return]


def _built_in(spec: registry.Spec, device: str, weights: str | None) -> Any:
    if Path(spec.name).is_file():
        return Path(spec.name)
    parameters = inspect.signature(registry.factory("extractors", spec.name)).parameters
    given = {"device": device} if "device" in parameters else {}
    if weights is not None:
        if "weights" not in parameters:
            raise UsageError(f"The extractor {spec.name!r} has no weights to choose; leave out --weights.")
        given["weights"] = weights
    return registry.load("extractors", registry.Spec(spec.name, {**given, **spec.options}))


def _as_source(reference: object) -> Source:
    opened = open_subject(reference, ("sources",))
    if not isinstance(opened, Source):
        raise UsageError(f"{reference!r} is a sampler; a reference is a set of samples, so give those.")
    return opened


def _named(text: str, kinds: tuple[str, ...]) -> Any:
    path = Path(text).expanduser()
    spec = registry.Spec(text) if path.exists() or not re.search("[,=]", text) else registry.parse(text)
    path = Path(spec.name).expanduser()
    if path.exists():
        for kind in kinds:
            found = registry.open_subject(kind, path, spec)
            if found is not None:
                return found
        raise InputError(
            f"{path} is not something to score: wanted a folder or zip of images, an .npz with arr_0, or an .npy."
        )
    if ":" in spec.name and "/" not in spec.name.partition(":")[0]:
        return registry.load(kinds[0], spec)
    for kind in kinds:
        if spec.name in registry.installed(kind):
            return registry.load(kind, spec)
    if "/" in spec.name or "\\" in spec.name or path.suffix:
        raise InputError(f"{text}: no such file or folder; check the path (you are in {Path.cwd()}).")
    known = [name for kind in kinds for name in registry.installed(kind)]
    raise UsageError(
        f"{text!r} is neither a path here nor a name of {' or '.join(kinds)}{did_you_mean(spec.name, known)}"
    )
