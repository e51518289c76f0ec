"""Decide whether results may be compared: whether they follow one protocol, and in which fields they differ."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from genbench.comparison.group_by_subject import created_at
from genbench.errors import InputError
from genbench.results import Result

_EXTRACTOR = "extractor "


def differing_fields(results: Sequence[Result]) -> dict[str, dict[str, list[str]]]:
    """Return the fields in which the protocols of results differ, ``{field: {value: [names of results]}}``.

    A metric or an extractor that only some results have is not a difference: the other results have empty cells there.
    """
    # the names of the results, by field and by value
    names_by_value: dict[str, dict[str, list[str]]] = {}
    for result in results:
        # a score whose better direction is flipped is another score
        directions = {f"direction of {entry.name}": entry.better or "none" for entry in result.scores}
        # the protocol calls a network by a shorter name where it is the only one of its kind
        extractors = {f"{_EXTRACTOR}{name}": _short_identity(identity) for name, identity in result.extractors.items()}
        for field, value in {**result.protocol, **directions, **extractors}.items():
            names = names_by_value.setdefault(field, {}).setdefault(value, [])
            if result.name not in names:
                names.append(result.name)
    # a field with one value is the same in all results
    differing = {field: values for field, values in names_by_value.items() if len(values) > 1}
    return {field: values for field, values in differing.items() if not _is_explained(field, differing)}


def _is_explained(field: str, differing: Collection[str]) -> bool:
    """Whether a field is an extractor of which another field names the part that differs, such as its resize."""
    if not field.startswith(_EXTRACTOR):
        return False
    # the protocol has an extractor under its full or its short name
    name = field.removeprefix(_EXTRACTOR)
    names = (name, name.partition(",")[0])
    return any(other == each or other.startswith(f"{each} ") for other in differing for each in names)


def _short_identity(identity: str) -> str:
    # identities have hundreds of characters, which only the record needs
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def require_comparable(results: Sequence[Result], *, can_mix: bool = False) -> None:
    """Raise InputError, with the names of the fields that differ, if results do not follow one protocol.

    ``can_mix``: the caller has the option --allow-mixed, which the message then advises.
    """
    differing = differing_fields(results)
    if not differing:
        return
    # different benchmarks explain all other differences
    if "benchmark" in differing:
        differing = {"benchmark": differing["benchmark"]}
    differences = " and in ".join(f"{field}: {_values_text(values)}" for field, values in differing.items())
    advice = (
        ", or add --allow-mixed to show the results of other protocols without ranks and verdicts" if can_mix else ""
    )
    raise InputError(
        f"These results cannot be compared because they differ in {differences}; score them in the same way{advice}."
    )


def prevailing(results: Sequence[Result]) -> list[Result]:
    """Return the results of the most frequent protocol; of equally frequent ones, of the one with the newest result.

    Results belong to one group if no field of their protocols differs.
    """
    groups: list[list[Result]] = []
    for result in results:
        # join the first group of the same protocol, or start a new group
        for group in groups:
            if not differing_fields([group[0], result]):
                group.append(result)
                break
        else:
            groups.append([result])
    # the largest group; the newest result decides between groups of equal size
    return max(groups, key=lambda group: (len(group), max(created_at(result) for result in group)), default=[])


def _values_text(values: dict[str, list[str]]) -> str:
    """Return ``tf (old), clean (new and 2 more)``."""
    # name one result for each value, and count the others
    others = {value: f" and {len(names) - 1} more" if len(names) > 1 else "" for value, names in values.items()}
    return ", ".join(f"{value} ({names[0]}{others[value]})" for value, names in values.items())
