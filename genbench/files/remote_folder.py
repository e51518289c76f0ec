"""A folder at an address that fsspec can read, such as ``s3://bucket/prefix``, with local copies in front of it.

Files have the same names in both places. Reads come from the local folder, or else are fetched into it. Writes go to
the local folder first, and are then sent by threads, each file whole or not at all. A note lies beside the local files
until a file is sent, so a later run sends what a killed run or a failed network has left. After a failure of the
network, which ``failure`` describes, the local folder is used alone for a while.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from genbench.errors import InputError, described
from genbench.files.atomic_write import atomic_write
from genbench.files.folder_paths import shared_address

RETRY_SECONDS = 60.0
"""After a failure, the address is not tried again for this long."""

CONNECTIONS = 16
"""Number of files that are fetched or sent at a time; most of the time of a small file is waiting."""

_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "az"}
"""Protocols whose stores show an object only when it is complete, and have no folders to be made."""

_PACKAGES = {"s3": "genbench[s3]", "s3a": "genbench[s3]", "gs": "genbench[gcs]", "gcs": "genbench[gcs]"}
"""What to install for a protocol."""

_UNSENT = "unsent"
"""The local folder of notes, one empty file for each file that is not sent yet."""


class RemoteFolder:
    """The files at an address and their local copies below ``local``; safe to use from several threads."""

    def __init__(self, address: str, local: Path, variable: str) -> None:
        self.address = address
        self.local = local
        self._variable = variable
        """The environment variable that holds the address; messages name it."""
        # a password is not shown
        self.shown = re.sub(r"//[^/@]*@", "//***@", address)
        self._protocol = address.split("://")[0].lower()
        self._failures: dict[str, tuple[float, InputError]] = {}
        self._absent: set[Path] = set()
        self._sending: dict[Path, Future[None]] = {}

    @property
    def failure(self) -> InputError | None:
        """The last failure to read or to write, in one sentence; None if there was none lately."""
        return next((self._failures[verb][1] for verb in ("read", "written") if self._failed(verb)), None)

    def fetch(self, paths: Iterable[Path], accept: Callable[[Path], bool] = lambda _: True) -> None:
        """Fetch the files that have no local copy, several at a time; those that do not exist are left out.

        ``accept`` tells whether a fetched file is the right one; others count as missing.
        """
        missing = [path for path in paths if not path.exists()]
        if missing and not self._failed("read"):
            self._files  # noqa: B018  opened before the threads start, for its errors
            list(self._threads.map(lambda path: self._fetch(path, accept), missing))

    def fetch_once(self, path: Path) -> None:
        """Fetch one file as ``fetch`` does, unless that has just found that it does not exist."""
        # each question costs a round trip
        if path in self._absent:
            self._absent.discard(path)
        else:
            self.fetch([path])
            self._absent.discard(path)

    def send(self, path: Path) -> None:
        """Start to send a local file; ``flush`` waits for it."""
        # the note is removed when the file is sent; without it, a killed process would not know what it left
        note = self._note(path)
        with suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()
        self._files  # noqa: B018
        self._sending[path] = self._threads.submit(self._send, path)

    def send_unsent(self) -> None:
        """Start to send what earlier processes have left unsent."""
        for note in sorted((self.local / _UNSENT).glob("*")):
            path = self.local / note.name.replace("+", "/")
            # the copies may have been removed meanwhile
            if path not in self._sending and path.exists():
                self.send(path)
            elif path not in self._sending:
                note.unlink(missing_ok=True)

    def send_missing(self, paths: Sequence[Path]) -> None:
        """Start to send the local files that do not exist at the address, because it was cleared, for example."""
        # what is there already is not sent again
        for path in self.missing(paths):
            self.send(path)

    def flush(self) -> None:
        """Wait until all files are sent or have failed."""
        # a thread never raises; its failure is in ``failure``
        for path, future in list(self._sending.items()):
            future.result()
            self._sending.pop(path, None)

    def missing(self, paths: Sequence[Path]) -> list[Path]:
        """Return those of the files that do not exist at the address; all of them if it cannot be read."""

        def exists(path: Path) -> bool:
            with suppress(InputError):
                return bool(self._tried("read", lambda: self._files.exists(self._remote(path))))
            return False

        if not paths or self._failed("read"):
            return list(paths)
        # what was listed before may have changed
        self._files.invalidate_cache()
        return [path for path, found in zip(paths, self._threads.map(exists, paths), strict=True) if not found]

    def sizes(self, folder: Path) -> dict[Path, int]:
        """Return the size in bytes of each file below a folder, by its local path. Raises InputError."""

        def listed() -> dict[Path, int]:
            self._files.invalidate_cache()
            # names are those of the file system, below its root
            root, files = self._root, self._files.find(self._remote(folder), detail=True)
            return {self.local / name[len(root) :].lstrip("/"): int(one["size"]) for name, one in files.items()}

        with suppress(FileNotFoundError):
            found: dict[Path, int] = self._tried("read", listed)
            return found
        return {}

    def clear(self, folder: Path) -> None:
        """Remove all files below a folder at the address. Raises InputError."""
        # a folder that is not there is empty
        with suppress(FileNotFoundError):
            self._tried("written", lambda: self._files.rm(self._remote(folder), recursive=True))

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(CONNECTIONS, "genbench-remote")

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system of fsspec and the root in it. Raises InputError if its package is missing."""
        from fsspec.core import url_to_fs

        # only the package of this protocol is imported
        try:
            files, root = url_to_fs(self.address)
        except ImportError as error:
            install = _PACKAGES.get(self._protocol)
            raise InputError(
                f"{self.shown} needs a package that is not installed; "
                + (f"run `pip install '{install}'`." if install else f"install it ({error}).")
            ) from error
        except Exception as error:  # each file system has its own errors
            raise InputError(
                f"{self.shown} cannot be opened ({described(error)}); correct {self._variable}."
            ) from error
        return files, str(root).rstrip("/")

    @property
    def _files(self) -> Any:
        return self._opened[0]

    @property
    def _root(self) -> str:
        return self._opened[1]

    def _remote(self, path: Path) -> str:
        return f"{self._root}/{path.relative_to(self.local).as_posix()}"

    def _note(self, path: Path) -> Path:
        # names of files have no plus sign
        return self.local / _UNSENT / path.relative_to(self.local).as_posix().replace("/", "+")

    def _fetch(self, path: Path, accept: Callable[[Path], bool]) -> None:
        # an InputError is in ``failure``; a folder that cannot be written raises it as well
        with suppress(FileNotFoundError, InputError), atomic_write(path) as temporary:
            self._tried("read", lambda: self._files.get_file(self._remote(path), str(temporary)))
            if accept(temporary):
                return
            raise InputError(f"{path} is not the right file.")
        self._absent.add(path)

    def _send(self, path: Path) -> None:
        # the note stays, and a later run sends the file
        if self._failed("written"):
            return
        target = self._remote(path)

        def put() -> None:
            # elsewhere a file is written under a temporary name and moved
            if self._protocol in _OBJECT_STORES:
                self._files.put_file(str(path), target)
                return
            folder, _, name = target.rpartition("/")
            temporary = f"{folder}/.{name[:40]}.{secrets.token_hex(8)}.part"
            self._files.makedirs(folder, exist_ok=True)
            self._files.put_file(str(path), temporary)
            self._files.mv(temporary, target)

        with suppress(InputError):
            try:
                self._tried("written", put)
            except FileNotFoundError as error:
                # the file was removed meanwhile, or there is no bucket
                if path.exists():
                    self._fail("written", error)
                    return
            self._note(path).unlink(missing_ok=True)

    def _tried(self, verb: str, work: Callable[[], Any]) -> Any:
        """Return what ``work`` returns. Raises FileNotFoundError, and InputError for any other failure of it."""
        try:
            return work()
        except (FileNotFoundError, InputError):
            raise
        except Exception as error:  # file systems raise the errors of their libraries
            raise self._fail(verb, error) from error

    def _failed(self, verb: str) -> bool:
        return verb in self._failures and time.monotonic() - self._failures[verb][0] < RETRY_SECONDS

    def _fail(self, verb: str, error: Exception) -> InputError:
        """Store and return the failure in one sentence."""
        # the remedy depends on what is wrong
        if isinstance(error, FileNotFoundError):
            remedy = f"create the bucket or folder, or correct {self._variable}"
        elif isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
            remedy = "check the credentials of this machine and their rights"
        else:
            remedy = f"check the network and the address, or set {self._variable} to a folder"
        failure = InputError(f"{self.shown} cannot be {verb} ({described(error)}); {remedy}.")
        # what cannot be reached to be read need not be tried for writing
        for each in ("read", "written") if verb == "read" else ("written",):
            self._failures[each] = time.monotonic(), failure
        return failure


def shared_folder(variable: str, local: Path) -> RemoteFolder | None:
    """Return the folder at the address that an environment variable holds; None if it holds a path or nothing."""
    address = shared_address(variable)
    return None if address is None else _remote_folder(address, local, variable)


# one object for each address, because it holds connections and failures
@cache
def _remote_folder(address: str, local: Path, variable: str) -> RemoteFolder:
    return RemoteFolder(address, local, variable)
