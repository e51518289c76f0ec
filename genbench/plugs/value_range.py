"""The declared range of float images, ``LOW..HIGH``: the values that become 0 and 255."""

from __future__ import annotations

import math

from genbench.errors import UsageError


def parse_range(text: str) -> tuple[float, float]:
    """Return the two numbers of ``"0..1"``, ``"-1..1"``, ``"0..255"`` ... Raises UsageError for another text."""
    low_text, dots, high_text = str(text).partition("..")
    try:
        low, high = float(low_text), float(high_text)
    except ValueError:
        low = high = math.nan
    # a comparison with NaN is false, so this refuses texts that are no numbers as well
    if not (dots and low < high and math.isfinite(high - low)):
        raise UsageError(f"The range {text!r} is not of the form LOW..HIGH; write range=0..1 or range=-1..1, say.")
    return low, high
