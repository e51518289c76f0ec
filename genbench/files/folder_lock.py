"""Lock a folder, so that of all processes on this computer only one works in it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genbench.errors import InputError

LOCK_NAME = ".lock"
"""The file that is locked; it exists only while the folder is locked, or after its process was killed."""


@contextmanager
def locked_folder(folder: Path, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Make the folder, wait until no other process has locked it, and lock it for the block.

    ``on_wait`` is called with the number of the other process, or an empty text, before the wait. The system releases
    the lock of a process that dies. On systems and disks without locks, and in a folder that cannot be written, nothing
    is locked. Raises InputError if the folder cannot be made.
    """
    path = folder / LOCK_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked_file(path, on_wait)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}); choose another folder with --out."
        ) from error
    try:
        yield
    finally:
        if handle is not None:
            # delete the file before its lock is released: whoever waits for it then makes a new one
            path.unlink(missing_ok=True)
            os.close(handle)


def _locked_file(path: Path, on_wait: Callable[[str], None]) -> int | None:
    """Return the handle of the locked file; None without locks."""
    # each round opens the file that has the name at that moment
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            # what is finished can be read where nothing can be written
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                return None
            raise
        try:
            if not _lock(handle, on_wait):
                os.close(handle)
                return None
            # another process may have deleted this file after it was opened here
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(path)):
                    # whoever waits can say for whom; a full disk does not matter
                    with suppress(OSError):
                        os.ftruncate(handle, 0)
                        os.write(handle, str(os.getpid()).encode())
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, on_wait: Callable[[str], None]) -> bool:
    """Lock an open file, if necessary after other processes; return whether this system and disk have locks."""
    try:
        import fcntl
    except ImportError:
        return False
    # first without waiting, so that a wait can be announced
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait(os.read(handle, 20).decode(errors="replace"))
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        return False
    return True
