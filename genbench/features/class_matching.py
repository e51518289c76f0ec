"""Match the classes of two sides: labels are numbers, and only names say which number means which class."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from genbench.array_types import Int64
from genbench.errors import InputError


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of one side."""

    owner: str
    """Whose classes these are, for messages."""
    label: Int64
    """int64 [N], the class of each row."""
    names: tuple[str, ...] | None = None
    """Class k is called ``names[k]``; None if the classes have no names."""
    count: int | None = None
    """Number of classes; None means those that occur in ``label``."""

    def listed(self) -> str:
        """Return the names of some classes, for messages."""
        known = self.names or [str(label) for label in np.unique(self.label).tolist()]
        return ", ".join([repr(name) for name in known[:5]] + ["..."] * (len(known) > 5))


@dataclass(frozen=True, eq=False)
class MatchedClasses:
    """The labels of two sides in common numbers."""

    label: Int64
    """int64 [N], the first side's class of each row; -1 if the other side lacks this class."""
    other_label: Int64
    """int64 [M], the other side's class of each row; -1 if the first side lacks this class."""
    names: tuple[str, ...]
    """The common classes: ``label`` k means ``names[k]``."""
    unmatched: tuple[str, ...]
    """The classes of the first side that the other lacks."""
    other_unmatched: tuple[str, ...]
    """The classes of the other side that the first lacks."""


def match_classes(first: Classes, other: Classes) -> MatchedClasses:
    """Return the labels of both sides in common numbers.

    Classes with names on both sides are matched by name, and names that are whole numbers by their value: ``03`` is
    ``3``. Without names, class k is called k. If only the first side has no names but 0, 1, 2 ..., and those of the
    other are words or do not contain its numbers, class k is the other's k-th name, as for a sampler whose classes are
    0..K-1. Raises InputError if no class of the first side is one of the other's.
    """
    # the name of each class that matters
    names, other_names = _name_by_label(first), _name_by_label(other)
    if _are_positions(first.names) and other.names is not None and _counts_names(names, other.names):
        names = {label: _normalised(other.names[label]) for label in names}

    # common numbers, in the order of the first side
    shared = dict.fromkeys(name for name in names.values() if name in set(other_names.values()))
    numbers = {name: number for number, name in enumerate(shared)}
    if not numbers:
        raise InputError(
            f"The classes of {first.owner} ({first.listed()}) are not those of {other.owner} ({other.listed()}); "
            "give both the same names, or leave the classes out."
        )
    return MatchedClasses(
        _renumbered(first.label, names, numbers),
        _renumbered(other.label, other_names, numbers),
        tuple(numbers),
        tuple(dict.fromkeys(name for name in names.values() if name not in numbers)),
        tuple(dict.fromkeys(name for name in other_names.values() if name not in numbers)),
    )


def _are_positions(names: Sequence[str] | None) -> bool:
    """Whether classes have no names, or are called 0, 1, 2 ..., as those of a ``dataset.json`` are."""
    return names is None or list(names) == [str(number) for number in range(len(names))]


def _counts_names(labels: Collection[int], names: Sequence[str]) -> bool:
    """Whether labels are positions in a list of names, not the names themselves."""
    # labels that are all names mean these names
    values = {_normalised(name) for name in names}
    return min(labels) >= 0 and max(labels) < len(names) and not {str(label) for label in labels} <= values


def _name_by_label(side: Classes) -> dict[int, str]:
    """Return the name of each class that has rows, or of all classes if their number is known."""
    occurring = np.unique(side.label).tolist()
    known: Sequence[int] = occurring if side.count is None else range(side.count)
    # a label without a name is called by its number
    given = dict(enumerate(side.names or ()))
    names = {label: _normalised(given.get(label, str(label))) for label in known}
    # two classes of one name would be scored as one
    first: dict[str, int] = {}
    for label, name in names.items():
        if first.setdefault(name, label) != label:
            raise InputError(
                f"The classes {given.get(first[name])!r} and {given.get(label)!r} of {side.owner} have one name, "
                f"{name!r}; rename one of them, or join them."
            )
    return names


def _normalised(name: str) -> str:
    return str(int(name)) if _is_number(name) else name


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _renumbered(label: Int64, names: dict[int, str], numbers: dict[str, int]) -> Int64:
    # through the distinct labels, because there are few of them
    distinct, inverse = np.unique(label, return_inverse=True)
    new = [numbers.get(names.get(old, ""), -1) for old in distinct.tolist()]
    return np.array(new, np.int64)[inverse]
