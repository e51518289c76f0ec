"""Where genbench keeps things on this computer, and how a file comes into being whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from genbench.errors import InputError


def cache_root() -> Path | None:
    """Return the folder for features and fingerprints: ``$GENBENCH_CACHE``, else the user's cache folder.

    None when ``GENBENCH_CACHE=off``: then nothing is kept.
    """
    chosen = os.environ.get("GENBENCH_CACHE", "")
    if chosen.lower() == "off":
        return None
    return Path(chosen).expanduser() if chosen else _user_cache()


def weights_root() -> Path:
    """Return the folder for downloaded weights: ``$GENBENCH_WEIGHTS``, else ``weights`` in the user's cache folder."""
    chosen = os.environ.get("GENBENCH_WEIGHTS", "")
    return Path(chosen).expanduser() if chosen else _user_cache() / "weights"


def result_folder(root: Path, benchmark: str, sampler: str, seed: int) -> Path:
    """Return where a run keeps what belongs to one result: weights, history, figures."""
    return root / slug(benchmark) / slug(sampler) / f"seed-{seed}"


def results_file(root: Path, benchmark: str) -> Path:
    """Return the JSON-lines file to which a run adds the results of a benchmark."""
    return root / f"{slug(benchmark)}.jsonl"


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_=.," else "_" for letter in name)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and move it there when the block ends well; else leave nothing.

    Raises InputError, naming the path, where the disk is full or refuses to be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); free some space there or choose another folder "
            "(GENBENCH_CACHE for the cache, or --no-cache)."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genbench"


@cache
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
