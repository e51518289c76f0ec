"""Write a file or a folder completely or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from genbench.errors import InputError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; move it to ``path`` when the block ends without an error.

    After an error, no file is left behind. Raises InputError with the path if the file cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # a hidden file in the same folder: os.replace is atomic only within a file system
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes the file private; give it the permissions of an ordinary new file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); free some disk space or choose another folder "
            "(GENBENCH_CACHE for the cache, or --no-cache)."
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


@cache
def _umask() -> int:
    # the umask can only be read by setting it
    mask = os.umask(0)
    os.umask(mask)
    return mask
