"""A file of checksums beside other files, in the format of ``sha256sum``."""

from __future__ import annotations

from pathlib import Path

from genbench.files.atomic_write import atomic_write
from genbench.files.fingerprints import file_hash


class Checksums:
    """The sha256 of files in one folder. A file may have two: of its content before and after the last change."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, file: Path, checksum: str) -> None:
        """Add the checksum of the new content of a file, and keep the one before. Raises InputError if this fails."""
        # of several checksums of this file, only the last one is kept
        lines = self._lines()
        own = [line for line in lines if line[1] == file.name and line[0] != checksum][-1:]
        lines = [line for line in lines if line[1] != file.name] + [*own, (checksum, file.name)]
        with atomic_write(self.path) as temporary:
            temporary.write_text("".join(f"{known}  {name}\n" for known, name in lines), encoding="utf-8")

    def match(self, file: Path) -> bool:
        """Return whether a file has one of its checksums; a file without any, and one that is missing, has."""
        known = [checksum for checksum, name in self._lines() if name == file.name]
        return not known or not file.is_file() or file_hash(file) in known

    def _lines(self) -> list[tuple[str, str]]:
        """Return checksums and names. A file that cannot be read has none."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return []
        # each line is CHECKSUM, two spaces, NAME
        pairs = [line.split("  ", 1) for line in text.splitlines()]
        return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
