"""What may stand in one table: results of one protocol, and which field says no."""

from __future__ import annotations

from collections.abc import Sequence

from genbench.errors import InputError
from genbench.results import Result


def differing_fields(results: Sequence[Result]) -> dict[str, dict[str, list[str]]]:
    """Return the fields in which the protocols of results differ, ``{field: {value: [names of results]}}``.

    A metric or an extractor that only some results have is no difference: their columns stay empty in the others.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for result in results:
        for field, value in result.protocol.items():
            names = found.setdefault(field, {}).setdefault(value, [])
            if result.name not in names:
                names.append(result.name)
    return {field: values for field, values in found.items() if len(values) > 1}


def require_comparable(results: Sequence[Result]) -> None:
    """Raise InputError, in one sentence that names the fields, where results do not follow one protocol."""
    differing = differing_fields(results)
    if not differing:
        return
    if "benchmark" in differing:  # what else differs follows from it
        differing = {"benchmark": differing["benchmark"]}
    said = " and in ".join(f"{field}: {_values(values)}" for field, values in differing.items())
    raise InputError(
        f"These results cannot be compared, for they differ in {said}; score them alike, or add --allow-mixed to show "
        "those that differ greyed out and unranked."
    )


def prevailing(results: Sequence[Result]) -> list[Result]:
    """Return the results of the protocol that most of them follow; of equally frequent ones, the newest.

    Protocols that have no differing field count as one.
    """
    groups: list[list[Result]] = []
    for result in results:
        for group in groups:
            if not differing_fields([group[0], result]):
                group.append(result)
                break
        else:
            groups.append([result])
    return max(groups, key=lambda group: (len(group), max(result.created for result in group)), default=[])


def _values(values: dict[str, list[str]]) -> str:
    return ", ".join(f"{value} ({_names(names)})" for value, names in values.items())


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
