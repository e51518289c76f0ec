"""Write a file or a folder completely or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genbench.errors import InputError


@contextmanager
def atomic_write(
    path: Path, *, advice: str = "choose another folder (GENBENCH_CACHE for the cache, or --no-cache)"
) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; move it to ``path`` when the block ends without an error.

    After an error, no file is left behind. Raises InputError, with the path and the advice, if it cannot be written.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} cannot be written because it is a folder or a device; choose the name of a file.")
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # a hidden file in the same folder: os.replace is atomic only within a file system
        hidden = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}.part"
        # the system gives it the permissions of an ordinary new file
        os.close(os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        temporary = hidden
        yield temporary
        # a file that is replaced keeps its permissions
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); free some disk space or {advice}."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_write_folder(out: Path) -> Iterator[Path]:
    """Yield a hidden folder to fill; move its contents to ``out`` when the block ends without an error.

    After an error, nothing is left behind. Raises InputError with the path if the folder cannot be written.
    """
    # an existing folder may be a mount point or the current directory of a process, so fill it instead of replacing it
    exists = out.is_dir()
    temporary = (out if exists else out.parent) / f".{out.name}.{secrets.token_hex(4)}.part"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if exists:
            for path in sorted(temporary.iterdir()):
                os.replace(path, out / path.name)
        else:
            os.replace(temporary, out)
    except OSError as error:
        raise InputError(
            f"{out} cannot be written ({error.strerror or error}); free some disk space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
