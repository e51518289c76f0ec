"""Find the file of statistics by name: a copy on this computer, or else a download."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path

from genbench.errors import InputError, InputWarning
from genbench.features.published_statistics import NamedStatistics
from genbench.features.statistics_copies import known_copies, trusted_copies
from genbench.features.statistics_files import read_reference
from genbench.features.statistics_registry import (
    PREFIX,
    make_folder,
    named_statistics,
    own_file,
    pin_checksum,
    registry_path,
)
from genbench.files.downloads import ChecksumError, DownloadError, download_first
from genbench.files.fingerprints import cached_file_hash, file_hash
from genbench.files.folder_lock import locked_folder
from genbench.files.folder_paths import statistics_root
from genbench.files.remote_folder import shared_folder


def find_statistics(statistics: NamedStatistics) -> tuple[Path, str]:
    """Return the path and the sha256 of a file of statistics: a copy on this computer, or else a download.

    The file has the published or pinned checksum. Without one, the first file is trusted, and its checksum is pinned.
    Raises InputError, with the file to provide and its folder, if there is no such file.
    """
    # no network is needed for a file that is here
    copy = copy_here(statistics)
    if copy is not None:
        return copy
    # a file of the user's has no address
    if statistics.path:
        raise InputError(
            f"{statistics.path}, the file of {PREFIX}{statistics.name}, does not exist any more; put it there, or add "
            f"it again with `genbench stats add {statistics.name} PATH`."
        )
    # of several processes, one downloads, and the others wait and find the file and its checksum
    target = own_file(statistics)
    make_folder(target.parent)
    with locked_folder(target.parent, lambda process: _announce_wait(statistics.name, process)):
        current = named_statistics(statistics.name)
        return copy_here(current) or _downloaded(current, target)


def copy_here(statistics: NamedStatistics) -> tuple[Path, str] | None:
    """Return a file of this computer and its sha256; None if there is none.

    Raises InputError if genbench's own file, or the one that the user added, is not the right one.
    """
    # this file must be the right one; those of other tools are skipped if they are not
    own = Path(statistics.path) if statistics.path else own_file(statistics)
    shared = None if statistics.path else shared_folder("GENBENCH_STATISTICS", statistics_root())
    # a folder at an address gives only the right file
    if shared is not None:
        shared.fetch([own], lambda file: _is_wanted(file, statistics))
    if os.path.isfile(own):
        return own, _required_hash(own, statistics)
    # a known checksum tells every copy; without one, only files of the same address are trusted
    if statistics.sha256:
        copies = (copy for copy in known_copies(statistics) if _hash(copy) == statistics.sha256)
    else:
        copies = (copy for copy in trusted_copies(statistics) if _is_statistics(copy, statistics))
    copy = next(copies, None)
    if copy is None:
        return None
    return copy, statistics.sha256 or _trusted(_hash(copy) or "", statistics)


def _is_wanted(file: Path, statistics: NamedStatistics) -> bool:
    if statistics.sha256:
        return file_hash(file) == statistics.sha256
    return _is_statistics(file, statistics)


def _required_hash(file: Path, statistics: NamedStatistics) -> str:
    """Return the sha256 of a file that must be the right one. Raises InputError if it is not, or cannot be read."""
    found = _hash(file)
    # each failure says what to do about this file
    if found is None:
        raise InputError(f"{file} cannot be read; check its permissions.")
    if statistics.sha256 not in ("", found):
        remedy = _advice_if_changed(statistics) if statistics.path else "delete it and try again"
        raise InputError(
            f"{file} is broken or a different file, because its sha256 is {found} and that of "
            f"{PREFIX}{statistics.name} is {statistics.sha256}; {remedy}, or give the path of the file as --reference."
        )
    # a file that the user put here, without a published checksum
    if not statistics.sha256:
        if not _is_statistics(file, statistics):
            raise InputError(f"{file} holds no statistics that can be read; delete it and try again.")
        _trusted(found, statistics)
    return found


def _downloaded(statistics: NamedStatistics, target: Path) -> tuple[Path, str]:
    """Download the file. Raises InputError if no address works."""

    def accept(file: Path, found: str) -> None:
        # without a checksum, an error page or the beginning of a file would be taken for the file
        if not statistics.sha256:
            if not _is_statistics(file, statistics):
                raise DownloadError("it was deleted because it holds no statistics that can be read")
            _trusted(found, statistics)

    # the remedy depends on whether an address still has a file
    try:
        found = download_first(
            statistics.urls, target, sha256=statistics.sha256, accept=accept, variable="GENBENCH_STATISTICS"
        )
    except DownloadError as error:
        if isinstance(error.__cause__, ChecksumError):
            remedy = _advice_if_changed(statistics)
        else:
            remedy = f"put {target.name} into {target.parent}, or give its path as --reference"
        raise InputError(f"{PREFIX}{statistics.name} cannot be downloaded ({error}): {remedy}.") from error
    # for the other machines
    shared = shared_folder("GENBENCH_STATISTICS", statistics_root())
    if shared is not None:
        shared.send(target)
        shared.flush()
    return target, found


def _trusted(found: str, statistics: NamedStatistics) -> str:
    """Pin the checksum of a file that is trusted on first use, say so, and return the checksum."""
    where = f"is pinned in {registry_path()}"
    # a copy of another tool can be used where nothing can be written
    try:
        pin_checksum(statistics.name, found)
    except InputError as error:
        where = f"could not be stored ({str(error).rstrip('.')})"
    message = (
        f"{PREFIX}{statistics.name} has no published checksum and is trusted on first use; its sha256 {found} {where}."
    )
    warnings.warn(message, InputWarning, 2)
    return found


def _advice_if_changed(statistics: NamedStatistics) -> str:
    # a name stands for one content, so that results with this name can be compared
    place = statistics.path or statistics.urls[0]
    return f"if you trust the new file, add it under another name with `genbench stats add NAME {place}`"


def _is_statistics(file: Path, statistics: NamedStatistics) -> bool:
    """Return whether a file can be read as the statistics that its name promises."""
    # the file may still have a temporary name without an extension
    try:
        return read_reference(file, kind=Path(statistics.file).suffix) is not None
    except InputError:
        return False


def _hash(file: Path) -> str | None:
    """Return the sha256 of a file; None if it cannot be read."""
    # files of other tools need not be readable
    with suppress(OSError):
        return cached_file_hash(file)
    return None


def _announce_wait(name: str, process: str) -> None:
    other = f"Process {process}" if process else "Another process"
    warnings.warn(f"{other} is downloading {PREFIX}{name}; waiting for it.", InputWarning, 2)
