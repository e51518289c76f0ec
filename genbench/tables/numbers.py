"""How numbers and words are written: to the digits that an error allows, the same in every table and figure."""

from __future__ import annotations

import math

ARROWS = {"lower": "↓", "higher": "↑", None: ""}
PLAIN = str.maketrans({"↓": "v", "↑": "^", "±": "+-", "–": "-", "·": "."})
"""How they are written where only ASCII can be."""

WIDEST = 1e15
"""From here on a number is written with an exponent, however small its error."""


def number_with_error(value: float, error: float | None) -> tuple[str, str]:
    """Write a value and its error to the digits that the error allows: two of the error's own, but five in all."""
    if not math.isfinite(value):
        return str(value), ""
    if error is None or not math.isfinite(error) or error <= 0:
        return f"{value:.5g}", "" if error is None else f"± {error:.2g}"
    if error < abs(value) * 1e-4 and 1e-3 < abs(value) < 1e6:
        return f"{value:.5g}", f"± {error:.1g}"
    places = 1 - math.floor(math.log10(error))
    if places > 8 or abs(value) >= WIDEST:
        return f"{value:.4e}", f"± {error:.1e}"
    places = max(places, 0)
    return f"{value:.{places}f}", f"± {error:.{places}f}"


def counted(count: int | None) -> str:
    """Write how many samples there are, where that is known."""
    if count is None:
        return "an unknown number of samples"
    return "1 sample" if count == 1 else f"{count:,} samples"


def listed(words: list[str]) -> str:
    """Write words as people list them: ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def markdown_safe(words: str) -> str:
    """Escape what Markdown or HTML in it would take as markup, and what would end a cell of a table."""
    escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for letter in "\\`*_[]|":
        escaped = escaped.replace(letter, "\\" + letter)
    return " ".join(escaped.split())
