"""Write numbers and words in the same way in all tables and figures: the error decides how many digits are shown."""

from __future__ import annotations

from genbench.errors import number_of
from genbench.results import SampleSet
from genbench.tables.escapes import one_line

PLAIN = str.maketrans({"↓": "v", "↑": "^", "±": "+-", "–": "-", "·": ".", "†": "*"})
"""Replacements of these characters in ASCII."""


def counted(count: int | None) -> str:
    """Return a number of samples as text."""
    if count is None:
        return "an unknown number of samples"
    return "1 sample" if count == 1 else f"{count:,} samples"


def set_aside(samples: SampleSet) -> str:
    """Return ``" (3 left out as corrupt; not used: 2 hidden files; levels 0 to 1)"``; empty if there is nothing to say.

    Levels of pixels are told if they span less than half of 0 to 255.
    """
    parts = [f"slices: {samples.slices}"] if samples.slices else []
    parts += [f"{samples.skipped:,} left out as corrupt"] if samples.skipped else []
    # an empty ledger may still have its keys
    things = [number_of(count, one_line(name)) for name, count in samples.left_out.items() if count]
    parts += [f"not used: {', '.join(things)}"] if things else []
    if samples.levels is not None and samples.levels[1] - samples.levels[0] < 128:
        parts.append("levels {} to {}".format(*samples.levels))
    return f" ({'; '.join(parts)})" if parts else ""


def listed(words: list[str]) -> str:
    """Join words as in ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
