"""Images embedded into the page as data URLs, up to a limit of bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

EMBEDDED = 2_200_000
"""How many bytes of pictures the page holds at most, in base64; what is beyond is linked."""


def embedded(pictures: Iterable[Path], limit: int = EMBEDDED) -> dict[Path, str]:
    """Return pictures as data addresses, the first ones first, as long as they fit."""
    found: dict[Path, str] = {}
    for path in pictures:
        address = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        if len(address) <= limit:
            found[path] = address
            limit -= len(address)
    return found
