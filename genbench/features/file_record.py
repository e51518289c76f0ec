"""Typed reading of the JSON record that a file holds: a field of another type raises ValueError with its name."""

from __future__ import annotations

from typing import Any


class FileRecord:
    """A JSON object whose fields are read by type. A missing text is empty; other missing fields are None or empty."""

    def __init__(self, content: Any) -> None:
        if not isinstance(content, dict):
            raise ValueError(f"its metadata are a {type(content).__name__}, not a JSON object")
        self._fields: dict[str, Any] = content

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str:
        """Return a text; null is empty."""
        value = self._fields.get(name)
        if value is None:
            return ""
        self._require(isinstance(value, str), name, "a text")
        # a lone surrogate is valid JSON, but cannot be printed
        return str(value).encode(errors="replace").decode()

    def optional_count(self, name: str) -> int | None:
        """Return a whole number of 0 or more, or None."""
        value = self._fields.get(name)
        self._require(value is None or _is_count(value), name, "a whole number of 0 or more")
        return value

    def optional_texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts as a tuple, or None."""
        value = self._fields.get(name)
        if value is None:
            return None
        self._require(isinstance(value, list) and all(isinstance(item, str) for item in value), name, "a list of texts")
        return tuple(value)

    def optional_range(self, name: str) -> tuple[int, int] | None:
        """Return the lowest and highest pixel, 0..255, or None."""
        value = self._fields.get(name)
        if value is None:
            return None
        pair = isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))
        self._require(pair and value[0] <= value[1] <= 255, name, "two whole numbers in 0..255")
        return value[0], value[1]

    def counts_by_name(self, name: str) -> dict[str, int]:
        """Return an object of whole numbers of 0 or more."""
        # null and a missing field mean that there are none
        value = self._fields.get(name) or {}
        self._require(isinstance(value, dict) and all(map(_is_count, value.values())), name, "an object of counts")
        return dict(value)

    def texts_by_name(self, name: str) -> dict[str, str]:
        """Return an object of texts."""
        value = self._fields.get(name) or {}
        texts = isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
        self._require(texts, name, "an object of texts")
        return dict(value)

    def _require(self, fulfilled: bool, name: str, expected: str) -> None:
        if not fulfilled:
            raise ValueError(f"its metadata hold {name} = {str(self._fields[name])[:60]!r}; expected {expected}")


def _is_count(value: Any) -> bool:
    # true and false are numbers in Python, but not here
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
