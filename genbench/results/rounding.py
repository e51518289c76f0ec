"""Round numbers for people: the error decides how many digits are shown."""

from __future__ import annotations

import math

ARROWS = {"lower": "↓", "higher": "↑", None: ""}
"""Which direction of a score is better."""

WIDEST = 1e15
"""Larger numbers are written with an exponent, however small their errors are."""


def number_with_error(value: float, error: float | None) -> tuple[str, str]:
    """Return a value and its error as text, rounded to two digits of the error, or to five digits of the value."""
    # NaN and infinity have no error
    if not math.isfinite(value):
        return str(value), ""
    # without a usable error: five digits
    if error is None or not math.isfinite(error) or error <= 0:
        return f"{value:.5g}", "" if error is None else f"± {error:.2g}"
    # the error is far smaller than the digits shown
    if error < abs(value) * 1e-4 and 1e-3 < abs(value) < 1e6:
        return f"{value:.5g}", f"± {error:.1g}"
    # decimal places of the second digit of the error
    places = 1 - math.floor(math.log10(error))
    # very small or very large: with an exponent
    if places > 8 or abs(value) >= WIDEST:
        return f"{value:.4e}", f"± {error:.1e}"
    places = max(places, 0)
    return f"{value:.{places}f}", f"± {error:.{places}f}"
