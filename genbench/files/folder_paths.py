"""The folders that genbench uses: the cache, the weights, the statistics, and the folders of runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

LONGEST_NAME = 200
"""Number of bytes of a name that is used as it is; file systems allow 255."""


def cache_root() -> Path | None:
    """Return the folder of features and fingerprints: ``$GENBENCH_CACHE``, or else the user's cache folder.

    Returns None if ``GENBENCH_CACHE=off``: nothing is cached then.
    """
    # the environment variable overrides the default, also to switch the cache off
    chosen = os.environ.get("GENBENCH_CACHE", "")
    if chosen.lower() == "off":
        return None
    return Path(chosen).expanduser() if chosen else _user_cache()


def weights_root() -> Path:
    """Return the folder of downloaded weights: ``$GENBENCH_WEIGHTS``, or else ``weights`` in the user's cache."""
    chosen = os.environ.get("GENBENCH_WEIGHTS", "")
    return Path(chosen).expanduser() if chosen else _user_cache() / "weights"


def statistics_root() -> Path:
    """Return the folder of statistics by name: ``$GENBENCH_STATISTICS``, or ``statistics`` in the user's cache."""
    chosen = os.environ.get("GENBENCH_STATISTICS", "")
    return Path(chosen).expanduser() if chosen else _user_cache() / "statistics"


def result_folder(root: Path, benchmark: str, sampler: str, seed: int) -> Path:
    """Return the folder in which a run stores the files of one result: weights, history, figures."""
    return root / folder_name(benchmark) / folder_name(sampler) / f"seed-{seed}"


def results_file(root: Path, benchmark: str) -> Path:
    """Return the JSON-lines file to which a run appends the results of a benchmark."""
    # an earlier version wrote names without a hash; its file is continued
    earlier = root / f"{slug(benchmark)}.jsonl"
    return earlier if os.path.isfile(earlier) else root / f"{folder_name(benchmark)}.jsonl"


def folder_name(name: str) -> str:
    """Return the name of the folder of a benchmark or sampler: the name itself if it is a valid file name.

    Otherwise the name is changed and a hash of it is added, so that two names never share a folder.
    """
    # names of benchmarks and samplers may have characters that file systems refuse, or consist of dots
    valid = slug(name)
    content = name.encode(errors="surrogatepass")
    if valid == name and name.strip(".") and len(content) <= LONGEST_NAME:
        return name
    shown = valid.encode()[:LONGEST_NAME].decode(errors="ignore")
    return f"{shown}-{hashlib.sha256(content).hexdigest()[:8]}"


def slug(name: str) -> str:
    """Return a name as a valid file name: all characters except letters, digits and ``-_=.,`` become ``_``."""
    return "".join(letter if letter.isalnum() or letter in "-_=.," else "_" for letter in name)


def _user_cache() -> Path:
    # the XDG convention of Linux; the same folder on every other system
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genbench"
