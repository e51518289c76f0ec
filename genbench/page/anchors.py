"""Anchors: the ids of the parts of a page, so that a link can point to a section, a row or a chart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def anchor(*words: str) -> str:
    """Return words as an id, joined by hyphens."""
    # spaces and quotes would end the attribute or need escaping in links
    return "-".join("".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in word) for word in words)


def anchors(prefix: str, names: Iterable[str]) -> list[str]:
    """Return a different id for each name; names that would have the same one are numbered."""
    # in the order of the names, so that an id stays when names are added behind it
    ids, used = [], Counter[str]()
    for name in names:
        plain = anchor(prefix, name)
        used[plain] += 1
        # a tilde occurs in no plain id
        ids.append(plain if used[plain] == 1 else f"{plain}~{used[plain]}")
    return ids
