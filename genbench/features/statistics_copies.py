"""Where a file of published statistics may lie on this computer already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from genbench.features.published_statistics import NamedStatistics
from genbench.files.folder_paths import statistics_root, weights_root


def trusted_copies(statistics: NamedStatistics) -> Iterator[Path]:
    """Yield the files that another tool downloaded from an address of these statistics: clean-fid, EDM and EDM2."""
    # clean-fid keeps its files in its own package, EDM under a hash of the address
    spec = find_spec("cleanfid")
    homes = list(spec.submodule_search_locations or ()) if spec is not None else []
    cache = Path(os.environ.get("DNNLIB_CACHE_DIR") or Path.home() / ".cache" / "dnnlib") / "downloads"
    for url in statistics.urls:
        if "/~clean-fid/stats/" in url:
            yield from _files(Path(home) / "stats" / statistics.file for home in homes)
        yield from _files(cache.glob(f"{hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()}_*"))


def known_copies(statistics: NamedStatistics) -> Iterator[Path]:
    """Yield the files that may be the right one, and whose checksum decides: those of the right name or size.

    They are searched in the folders of other tools, in genbench's folders of statistics and weights, in torch hub's
    checkpoints and, by name only, in the current folder.
    """
    yield from trusted_copies(statistics)
    # torch need not be imported for this
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    hub = Path(os.environ.get("TORCH_HOME") or cache / "torch") / "hub" / "checkpoints"
    folders = [statistics_root(), weights_root(), hub]
    yield from _files(folder / statistics.file for folder in (*folders, Path()))
    # a renamed copy
    if statistics.size is not None:
        for folder in folders:
            files = _files(folder.glob("*")) if os.path.isdir(folder) else ()
            yield from (file for file in files if file.name != statistics.file and _size(file) == statistics.size)


def _files(paths: Iterator[Path]) -> Iterator[Path]:
    """Yield the paths that are files; one that may not be looked at is none."""
    return (path for path in paths if os.path.isfile(path))


def _size(file: Path) -> int | None:
    # the file may disappear meanwhile
    try:
        return file.stat().st_size
    except OSError:
        return None
