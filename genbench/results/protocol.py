"""The fields of a protocol that come from extractors, from metrics, and from the version of genbench."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from genbench.plugs.contracts import WITH_TRAIN

CHANGED: tuple[tuple[int, ...], ...] = ()
"""Versions of genbench in which the value of a score changed. Results from before and after must not be compared."""

IDENTITY_LENGTH = 160
"""Longer texts about an extractor, such as the 25 modes of a mixture, are cut; a hash stands for what is missing."""

EXTRACTOR_FIELD = "extractor "
"""What the fields of ``identity_fields`` start with."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def extractor_fields(extractors: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of extractors, given by name and identity.

    An extractor is called by its network alone where that is unique: ``inception``, not ``inception,resize=clean``.
    """
    fields: dict[str, str] = {}
    networks = [name.partition(",")[0] for name in extractors]
    for (name, identity), network in zip(extractors.items(), networks, strict=True):
        fields |= _traits(network if networks.count(network) == 1 else name, identity)
    return fields


def identity_fields(extractors: Mapping[str, str]) -> dict[str, str]:
    """Return a short hash of the identity of each extractor, under its full name.

    ``extractor_fields`` calls a network by a shorter name where it is the only one of its kind.
    """
    # identities have hundreds of characters, which only the record needs
    return {
        f"{EXTRACTOR_FIELD}{name}": hashlib.sha256(identity.encode()).hexdigest()[:8]
        for name, identity in extractors.items()
    }


def metric_fields(metrics: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the options of all metrics, given with their extractors, by class: ``metric KernelDistance@digits``.

    A metric without an extractor has the field ``metric NAME``.
    """
    fields: dict[str, str] = {}
    for metric, extractor in sorted(set(metrics)):
        kind = f"metric {metric.removesuffix(WITH_TRAIN).partition('(')[0]}" + (f"@{extractor}" if extractor else "")
        fields[kind] = f"{fields[kind]}, {metric}" if kind in fields else metric
    return fields


def last_change(version: str) -> dict[str, str]:
    """Return the last version in ``CHANGED`` that is not newer than ``version``, as a field of the protocol."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version))
    passed = [change for change in CHANGED if change <= numbers]
    return {"genbench": ".".join(map(str, passed[-1]))} if passed else {}


def _traits(name: str, identity: str) -> dict[str, str]:
    """Split an extractor's identity into the traits that people know (resize, weights, dtype) and the rest."""
    # each trait with the comma before it, or after it if it is the first
    value = r"(?:'([^']*)'|([^,')]*))"
    known = rf"(?:,\s*|\b)(resize|weights|dtype)={value}(?:(?<=\()\s*,)?"
    fields = {}
    for trait, quoted, plain in re.findall(known, identity):
        text = quoted or plain
        fields[f"{name} {trait}"] = text[:12] if _SHA256.fullmatch(text) else text
    rest = re.sub(r"\(\s*,\s*", "(", re.sub(known, "", identity)).strip(" ,").replace("()", "")
    if len(rest) > IDENTITY_LENGTH:
        rest = f"{rest[:30]}... {hashlib.sha256(rest.encode()).hexdigest()[:8]}"
    return {name: rest, **fields}
