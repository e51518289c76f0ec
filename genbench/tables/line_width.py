"""Fit text for people to the columns of a terminal."""

from __future__ import annotations

import textwrap

WIDTH = 80
"""Columns of a terminal."""


def wrapped(text: str, *, indent: str = "  ") -> str:
    """Return a text in lines of at most 80 columns, as far as its words allow; further lines are indented."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
