"""Open what a user typed or passed: a path, a spec or an object becomes a Source, a Sampler or an Extractor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genbench.errors import InputError, PlugError, UsageError, guest_code, refuse_address
from genbench.features.features import Features, Moments
from genbench.plugs.contract_checks import check_extractor, check_source
from genbench.plugs.contracts import Extractor, Sampler, Source
from genbench.plugs.declared_form import DeclaredForm, DeclaredSampler
from genbench.plugs.known_names import Kinds, names_guest, no_path, require_known, spec_of
from genbench.plugs.registry import Plug, load, named, open_accepted, plug
from genbench.plugs.sampler_calls import WRAPPER, inspect_call
from genbench.plugs.specs import COMMAND, Spec, parse_spec
from genbench.plugs.weights import made_with_weights


def open_subject(subject: object, kinds: Kinds = ("sources", "samplers")) -> Source | Sampler:
    """Return the Source or Sampler of a path, a spec or an object. A ``Path`` is always a path, never a name.

    Raises InputError for a path that does not exist or contains nothing usable, UsageError for an unknown name,
    PlugError for an object that is neither samples nor a sampler.
    """
    # texts and paths first, then classes, then objects that are a plug already
    opened: Any = subject
    if isinstance(subject, (str, Path)):
        opened = _open_text(subject, kinds)
    # these lines run code of the guest: its constructor and its properties
    with guest_code(f"The plug {_short(subject)}", passing=(OSError,)):
        if inspect.isclass(opened):
            opened = opened()
        is_source, is_sampler = isinstance(opened, Source), isinstance(opened, Sampler)
    if is_source:
        check_source(opened)
    elif is_sampler:
        inspect_call(opened.sample, type(opened).__name__)
    if is_source or is_sampler:
        return opened  # type: ignore[no-any-return]
    # A module or function may also look like a sequence, so samplers come first for callables.
    accepted = open_accepted(("samplers", "sources") if callable(opened) else ("sources", "samplers"), opened)
    if accepted is None:
        raise PlugError(
            f"{subject!r} is neither samples nor a sampler; give a folder, archive, array, Dataset or iterable of "
            "batches, or something with sample(count, seed), or a function",
            WRAPPER,
        )
    return accepted  # type: ignore[no-any-return]


def _short(subject: object) -> str:
    # the text of an array or a data set would fill the screen
    return repr(subject) if isinstance(subject, (str, Path)) else f"of class {type(subject).__name__}"


def open_sampler(subject: object) -> Source | Sampler:
    """Open a subject; a text that names both a source and a sampler means the sampler."""
    return open_subject(subject, ("samplers", "sources"))


def open_source(samples: object) -> Source:
    """Return the Source of a path, a spec or an object. Raises UsageError if it is a sampler."""
    opened = open_subject(samples, ("sources",))
    if not isinstance(opened, Source):
        raise UsageError(f"{samples!r} is a sampler; a reference is a set of samples, so give those.")
    return opened


def open_reference(
    reference: object | None, *, statistics_name: str = "fid", dimension: int | None = None
) -> tuple[Source | Features | None, Moments | None]:
    """Return the rows and the moments of a reference, as far as it has them.

    A statistics file has moments; ADM's files may contain samples as well. ``statistics_name`` selects the moments in
    a file with several, such as EDM's: ``fid`` or ``fd_dinov2``. ``dimension`` is that of the features, if it is known;
    statistics of another dimension are refused before they are read.
    """
    # objects that are features or moments already
    if reference is None:
        return None, None
    if isinstance(reference, Moments):
        return None, reference
    if isinstance(reference, Features):
        return reference, None
    # anything but a file is a set of samples
    path = Path(reference).expanduser() if isinstance(reference, (str, Path)) else None
    if path is None or not path.is_file():
        return open_source(reference), None
    from genbench.features.statistics_files import has_images, read_reference

    # a statistics file; one with images (ADM) is both moments and samples
    statistics = read_reference(path, name=statistics_name, dimension=dimension)
    name = str(reference).encode(errors="replace").decode()  # the bytes of a path need not be valid text
    if isinstance(statistics, Features):
        return replace(statistics, name=name), None
    moments = replace(statistics, name=name) if statistics is not None else None
    if moments is not None and not has_images(path):
        return None, moments
    return open_source(reference), moments


def open_extractor(text: str, *, device: str, **requests: str | None) -> Extractor:
    """Return the extractor that a spec names, on a device if it uses one.

    ``requests`` are weights, precision and backend; None requests nothing. Raises UsageError if the extractor does not
    have an option that is requested.
    """
    refuse_address(text)
    # a guest or a file has no options of the command line; an installed extractor may have them
    spec = parse_spec(text)
    options = {name: value for name, value in requests.items() if value is not None}
    if ":" in spec.name or Path(spec.name).is_file():
        _refuse(spec, options)
        opened: Any = load("extractors", spec) if ":" in spec.name else Path(spec.name)
    else:
        opened = _made_extractor(plug("extractors", spec.name), spec, device, options)
    with guest_code(f"The plug {text!r}"):
        is_extractor = isinstance(opened, Extractor)
    if is_extractor:
        check_extractor(opened)
        return opened  # type: ignore[no-any-return]
    # a torch module, a TorchScript file or another object that a plug turns into an extractor
    extractor: Extractor | None = open_accepted(("extractors",), opened)
    if extractor is None:
        raise PlugError(f"{text!r} is not an extractor: it needs name, identity and __call__(data) -> views.")
    if hasattr(extractor, "device"):
        extractor.device = device
    # two attributes may hold networks of one class, so its name would not tell them apart
    if ":" in spec.name:
        extractor.name = str(spec)  # type: ignore[misc]
    return extractor


def _open_text(text: str | Path, kinds: Kinds) -> Any:
    """Open a path or a spec: an existing path first, then a guest, an installed name, and a path with options."""
    # a path that exists, or the command line of a program
    if isinstance(text, Path):
        return _open_path(text, Spec(str(text)), kinds)
    require_known(text, kinds)
    command = COMMAND.fullmatch(text)
    if command is not None:  # commas and equal signs after the colon belong to the program's command line
        return load("samplers", Spec("command", {**parse_spec(command[1]).options, "command": command[2]}))
    if Path(text).expanduser().exists():
        _refuse_two_meanings(text, named(kinds, text))
        return _open_path(Path(text), Spec(text), kinds)
    # a guest
    spec = spec_of(text)
    if names_guest(spec):
        return _made_guest(spec, kinds)
    # An installed name comes before a path with options, so that the digits,split=test of a benchmark is the same
    # in every folder.
    installed_plug = named(kinds, spec.name)
    return _open_path(Path(spec.name), spec, kinds) if installed_plug is None else _made(installed_plug, spec)


def _open_path(path: Path, spec: Spec, kinds: Kinds) -> Any:
    """Open the file or folder at a path, with the options of the spec."""
    path = path.expanduser()
    if not path.exists():
        refuse_address(path)
        raise no_path(str(path), kinds)
    opened = open_accepted(kinds, path, spec)
    if opened is not None:
        return opened
    # a reference may also be statistics
    statistics = "" if "samplers" in kinds else "; a reference may also be statistics (.npz, .pkl, .safetensors)"
    raise InputError(
        f"{path} holds no samples that genbench reads: expected a folder or archive of images, Parquet, LMDB, HDF5, a "
        f"TIFF stack, an .npz with arr_0, or an .npy{statistics}."
    )


def _made(installed_plug: Plug, spec: Spec) -> Any:
    """Make a source or sampler by its name. ``weights=`` goes to the method ``load`` if it is not an option."""
    name, kind = spec.name, installed_plug.kind
    if not spec.options and not installed_plug.stands_alone:
        raise UsageError(
            f"There is no {name!r} here, and as a name it only says how genbench opens some {kind}; give the path "
            "itself, or in Python the object."
        )
    return made_with_weights(installed_plug, spec)


def _made_guest(spec: Spec, kinds: Kinds) -> Any:
    """Make a guest. A range and a shape that are no options of its own are those of the samples that it draws."""
    target = plug(kinds[0], spec.name).target
    draws = "samplers" in kinds and (callable(target) or hasattr(target, "sample"))
    guest = Plug("samplers" if draws else kinds[0], spec.name, target)
    options = {name: spec.options[name] for name in ("range", "shape") if name in spec.options}
    if not draws or not options or any(guest.takes(name) for name in options):
        return made_with_weights(guest, spec)
    # the guest is made without these options, and its samples get the form
    form = DeclaredForm(**{name: str(value) for name, value in options.items()})
    made = made_with_weights(guest, Spec(spec.name, {k: v for k, v in spec.options.items() if k not in options}))
    return DeclaredSampler(open_subject(made), form, spec.name)


def _made_extractor(installed_plug: Plug, spec: Spec, device: str, requests: Mapping[str, str]) -> Any:
    # options of the spec come last: they overrule the command line
    parameters = installed_plug.parameters
    _refuse(spec, {name: value for name, value in requests.items() if name not in parameters})
    options: dict[str, Any] = {**requests, **({"device": device} if "device" in parameters else {})}
    if "weights" in requests:
        options["weights"] = str(Path(requests["weights"]).expanduser())
    return installed_plug.make(Spec(spec.name, {**options, **spec.options}))


def _refuse(spec: Spec, requests: Mapping[str, str]) -> None:
    for name in requests:
        raise UsageError(f"The extractor {spec.name!r} has no option {name!r}; leave out --{name}.")


def _refuse_two_meanings(text: str, installed_plug: Plug | None) -> None:
    """Raise UsageError if an existing path is also a name that stands alone."""
    if installed_plug is not None and installed_plug.stands_alone:
        option = next(iter(installed_plug.parameters), "option")
        raise UsageError(
            f"{text!r} is a path here and also one of the {installed_plug.kind} of genbench; write ./{text} for the "
            f"path, or add an option, as in {text},{option}=..., for the name."
        )
