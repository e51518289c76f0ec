"""Texts that name samples or a sampler: whether they name anything, known without opening or importing it."""

from __future__ import annotations

import re
from pathlib import Path

from genbench.errors import InputError, UsageError, did_you_mean, refuse_address
from genbench.plugs.declarations import stands_alone
from genbench.plugs.registry import installed
from genbench.plugs.specs import COMMAND, Spec, parse_spec

Kinds = tuple[str, ...]
"""The kinds of plugs that a text may name, in order of preference."""


def require_known(text: str, kinds: Kinds = ("sources",)) -> None:
    """Raise UsageError or InputError for a text that names nothing. Nothing is imported or opened to find out."""
    if not text.strip():
        raise UsageError("The name of samples or of a sampler is empty; give a path or a name.")
    if COMMAND.fullmatch(text) or Path(text).expanduser().exists():
        return
    refuse_address(text)
    refuse_statistics(text)
    # a guest, an installed name, or a path with options
    spec = spec_of(text)
    is_installed = any(spec.name in installed(kind) for kind in kinds)
    if not (names_guest(spec) or is_installed or Path(spec.name).expanduser().exists()):
        raise _unknown(text, spec.name, kinds)


def spec_of(text: str) -> Spec:
    """Return the spec of a text; a path without options may hold any characters."""
    return parse_spec(text) if re.search("[,=]", text) else Spec(text)


def names_guest(spec: Spec) -> bool:
    """Whether a spec names ``module:attribute``. A slash before the colon is that of a path."""
    return ":" in spec.name and "/" not in spec.name.partition(":")[0]


def refuse_statistics(text: str) -> None:
    """Raise UsageError if a text names statistics, which are neither samples nor a sampler."""
    if not text.startswith("stats:"):
        return
    from genbench.features.statistics_registry import all_statistics

    if text.removeprefix("stats:") in {each.name for each in all_statistics()}:
        raise UsageError(f"{text} holds statistics and no samples; give it as --reference.")


def _unknown(text: str, name: str, kinds: Kinds) -> UsageError | InputError:
    """Return the error for a text that names nothing: a mistyped name, or a path that does not exist."""
    if "/" in name or "\\" in name or Path(name).suffix:
        return no_path(text, kinds)
    # only names that stand alone are suggested
    hint = did_you_mean(name, [known for kind in kinds for known in installed(kind) if stands_alone(kind, known)])
    if "did you mean" in hint:
        return UsageError(f"{text!r} is neither a path here nor a name of {' or '.join(kinds)}{hint}")
    return no_path(text, kinds, ", nor a name that `genbench list` shows")


def no_path(text: str, kinds: Kinds, names: str = "") -> InputError:
    """Return the error for a path that does not exist; ``names`` is a clause about names."""
    sampler = "; a sampler of your own is written module:attribute" if kinds[0] == "samplers" else ""
    return InputError(f"{text}: no such file or folder{names}; check the path (you are in {Path.cwd()}){sampler}.")
