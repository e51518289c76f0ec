"""Decide whether results may be compared: whether they follow one protocol, and in which fields they differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from genbench.comparison.group_by_subject import created_at
from genbench.errors import InputError
from genbench.results import Result
from genbench.results.protocol import EXTRACTOR_FIELD


def differing_fields(results: Sequence[Result]) -> dict[str, dict[str, list[str]]]:
    """Return the fields in which the protocols of results differ, ``{field: {value: [names of results]}}``.

    A metric or an extractor that only some results have is not a difference: the other results have empty cells there.
    """
    # most results agree in all fields
    first: dict[str, str] = {}
    fields = {
        field
        for result in results
        for field, value in result.comparable.items()
        if first.setdefault(field, value) != value
    }
    # the names of the results, by field and by value
    differing: dict[str, dict[str, list[str]]] = {field: {} for field in first if field in fields}
    for result in results if differing else ():
        for field in differing.keys() & result.comparable.keys():
            names = differing[field].setdefault(result.comparable[field], [])
            if result.name not in names:
                names.append(result.name)
    return {field: values for field, values in differing.items() if not _is_explained(field, differing)}


def _is_explained(field: str, differing: Collection[str]) -> bool:
    """Whether a field is an extractor of which another field names the part that differs, such as its resize."""
    if not field.startswith(EXTRACTOR_FIELD):
        return False
    # the protocol has an extractor under its full or its short name
    name = field.removeprefix(EXTRACTOR_FIELD)
    names = (name, name.partition(",")[0])
    return any(other == each or other.startswith(f"{each} ") for other in differing for each in names)


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
