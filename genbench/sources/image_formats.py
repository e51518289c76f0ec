"""The raster formats that are read, the formats that are not, and what is no sample in a folder or an archive."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec

FORMATS = {
    ".png": "PNG",
    ".apng": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".dib": "DIB",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pbm": "PPM",
    ".pnm": "PPM",
    ".jp2": "JPEG2000",
    ".j2k": "JPEG2000",
    ".qoi": "QOI",
    ".tga": "TGA",
    # only newer versions of Pillow have this module
    **({".avif": "AVIF"} if find_spec("PIL._avif") else {}),
}
"""Pillow's format of each file extension that is read. Only these formats are opened, whatever a file is called,
because some of Pillow's other readers start programs (PostScript) or do not give pixels."""

EXTENSIONS = frozenset(FORMATS)
"""File extensions of images that are read, in lower case."""

PILLOW_FORMATS = tuple(dict.fromkeys(FORMATS.values()))
"""The formats for ``Image.open(..., formats=...)``."""

SEVERAL_FRAMES = {
    extension: name for extension, name in FORMATS.items() if name in ("AVIF", "GIF", "PNG", "TIFF", "WEBP")
}
"""Pillow's format of the extensions of images that may have several frames or pages."""

UNREAD_IMAGES = frozenset(
    {".avif", ".eps", ".exr", ".hdr", ".heic", ".heif", ".ico", ".jxl", ".pcx", ".pfm", ".ps", ".psd", ".sgi", ".svg"}
    | {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2", ".xbm", ".xpm"}
)
"""File extensions of images that are not read unless they are in EXTENSIONS, too."""

LARGEST_FILE = 1 << 30
"""Maximum bytes of the file of one image, packed or not. A larger one is refused before it is read."""

_THUMBNAILS = {"@eadir", ".@__thumb", ".thumbnails", "thumbs.db"}
_HIDDEN = {"__macosx", "desktop.ini", "$recycle.bin", "#recycle", "@recycle"}


def suffix(name: str) -> str:
    """Return the extension of a file name in lower case: ``.png``."""
    return os.path.splitext(name)[1].lower()


def unread_kind(name: str) -> str:
    """Return what a file is counted as that is not read: ``"heic files"`` for images, else ``"other files"``."""
    extension = suffix(name)
    return f"{extension[1:]} files" if extension in UNREAD_IMAGES else "other files"


def hidden_kind(parts: Iterable[str]) -> str | None:
    """Return what a path is counted as that is hidden from users: ``"thumbnails"``, ``"hidden files"``; else None.

    These are ``.name``, macOS's ``__MACOSX``, the thumbnails and recycle bins of network drives and of Windows.
    """
    names = [part.lower() for part in parts]
    if any(name in _THUMBNAILS for name in names):
        return "thumbnails"
    hidden = any((name.startswith(".") and name != ".") or name in _HIDDEN for name in names)
    return "hidden files" if hidden else None
