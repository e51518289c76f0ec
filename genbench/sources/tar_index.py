"""Where the members of a tar archive lie, so that each of them is read alone."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from genbench.errors import InputError
from genbench.files.fingerprints import FileStamp, file_stamp
from genbench.sources.archive_members import BOMB_RATIO, BOMB_SIZE, visible_members
from genbench.sources.file_names import printable
from genbench.sources.image_formats import LARGEST_FILE
from genbench.sources.npy_files import FileReader

LARGEST_HEADER = 1 << 20
"""Maximum bytes of a header. A longer one is a lie that would fill the memory."""

_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".tgz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


class Extent(NamedTuple):
    """The bytes of a member."""

    offset: int
    size: int


class TarIndex:
    """The members of one tar archive, in natural order.

    A compressed archive is unpacked to a temporary file, which the system removes with the process. Raises InputError
    if the archive is cut short, damaged, followed by another one, or a decompression bomb.
    """

    members: dict[str, Extent]
    """The position of each regular file that is not hidden, by its name."""
    left_out: Counter[str]
    """Number of members that are not read, by kind."""

    def __init__(self, path: Path) -> None:
        # the stamp comes first, so that a change while the archive is read is noticed
        self.path, self.name = path.absolute(), printable(path)
        self.opened: FileStamp | None = file_stamp(self.path)
        try:
            with _unpacked(self.name, self.path) as file:
                self._reader = FileReader(self.name, file)
                listed = list(self._list(file))
                _require_end(self.name, file)
        except OSError as error:
            raise InputError(
                f"{self.name} cannot be read ({error.strerror or error}); check it, or copy it again."
            ) from error
        except InputError:
            raise
        except Exception as error:  # tarfile and the decompressors raise many types for damaged bytes
            raise InputError(f"{self.name} is cut short or damaged ({error}); copy it again.") from error
        # only regular files are read
        regular = [(name, extent) for name, extent in listed if extent is not None]
        self.members, self.left_out = visible_members(self.name, regular)
        self.left_out.update({"links and devices": len(listed) - len(regular)} if len(regular) < len(listed) else {})

    def read(self, name: str) -> bytes:
        """Return the bytes of a member. Raises InputError if the file has become shorter."""
        return self._reader.read(*self.members[name])

    def _list(self, file: IO[bytes]) -> Iterator[tuple[str, Extent | None]]:
        """Yield the name and the position of each member; no position for links and devices."""
        # tarfile reads the headers only, because no member is extracted
        headers: Any = _Headers(self.name, file)
        archive: Any
        with tarfile.open(fileobj=headers, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # tarfile would keep a kilobyte for each member
                if member.isdir():
                    continue
                # the bytes of a sparse file are not together
                if member.sparse is not None or not member.isreg():
                    yield member.name, None
                    continue
                if member.size > LARGEST_FILE:
                    raise InputError(
                        f"{self.name}: {member.name} has {member.size:,} bytes, more than any image; leave it out of "
                        "the archive."
                    )
                yield member.name, Extent(member.offset_data, member.size)
            # where the mark of the end should be
            file.seek(archive.offset)


class _Headers:
    """The file that tarfile reads. It refuses to read more at once than any header has."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._name, self._file = name, file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise InputError(f"{self._name} has a header of {size:,} bytes, which is damage; copy the archive again.")
        return self._file.read(size)


def _require_end(name: str, file: IO[bytes]) -> None:
    """Raise InputError unless only zeros follow the last member, and at least one block of them."""
    found = False
    while piece := file.read(1 << 20):
        # two blocks of zeros are the end, and padding may follow
        if piece.strip(b"\0"):
            raise InputError(
                f"{name} is damaged, or holds another archive after its first one, which alone would be read; unpack "
                "it, and pack the files together."
            )
        found = found or len(piece) >= tarfile.BLOCKSIZE
    if not found:
        raise InputError(f"{name} is cut short: it lacks the mark of its end; copy it again, or close the writer.")


def _unpacked(name: str, path: Path) -> IO[bytes]:
    """Open an archive, unpacked to a temporary file if it is compressed."""
    # a plain archive is read in place
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        return path.open("rb")
    folder, size = tempfile.gettempdir(), path.stat().st_size
    unpacked = tempfile.TemporaryFile(prefix="genbench-")  # noqa: SIM115
    written = 0
    with opener(path) as packed:
        while piece := packed.read(1 << 20):
            # the size is known only at the end, so check it on the way
            written += len(piece)
            if written > max(BOMB_SIZE, BOMB_RATIO * size):
                raise InputError(
                    f"{name} unpacks from {size:,} to more than {written:,} bytes, like a decompression bomb; give a "
                    "plain .tar if it is right."
                )
            if len(piece) > shutil.disk_usage(folder).free:
                raise InputError(f"{name} does not fit into {folder}; set TMPDIR to a folder with more space.")
            unpacked.write(piece)
    unpacked.flush()
    unpacked.seek(0)
    return unpacked
