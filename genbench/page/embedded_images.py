"""Embed images into the page as data URLs, up to a limit of bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

MAX_EMBEDDED_BYTES = 2_200_000
"""Largest total size of the embedded images, in base64. The page links to the images beyond this limit."""


def embedded(images: Iterable[Path], limit: int = MAX_EMBEDDED_BYTES) -> dict[Path, str]:
    """Return the data URL of each PNG file that fits into the limit; the first files come first."""
    urls: dict[Path, str] = {}
    for path in images:
        url = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        # a large image may be left out while a smaller one after it still fits
        if len(url) <= limit:
            urls[path] = url
            limit -= len(url)
    return urls
