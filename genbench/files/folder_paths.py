"""The folders that genbench uses: the cache, the weights, the statistics, and the folders of runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

LONGEST_NAME = 200
"""Number of bytes of a name that is used as it is; file systems allow 255."""


def cache_root() -> Path | None:
    """Return the folder of features and fingerprints: ``$GENBENCH_CACHE``, or else the user's cache folder.

    Returns None if ``GENBENCH_CACHE=off``: nothing is cached then. For an address, it is the folder of local copies.
    """
    # the environment variable overrides the default, also to switch the cache off
    if os.environ.get("GENBENCH_CACHE", "").lower() == "off":
        return None
    return _chosen_folder("GENBENCH_CACHE", _user_cache())


def weights_root() -> Path:
    """Return the folder of downloaded weights: ``$GENBENCH_WEIGHTS``, or else ``weights`` in the user's cache."""
    return _chosen_folder("GENBENCH_WEIGHTS", _user_cache() / "weights")


def statistics_root() -> Path:
    """Return the folder of statistics by name: ``$GENBENCH_STATISTICS``, or ``statistics`` in the user's cache."""
    return _chosen_folder("GENBENCH_STATISTICS", _user_cache() / "statistics")


def shared_address(variable: str) -> str | None:
    """Return the address, as ``s3://bucket/prefix``, that an environment variable holds; None for a path or nothing."""
    chosen = os.environ.get(variable, "")
    return chosen.rstrip("/") if "://" in chosen else None


def _chosen_folder(variable: str, default: Path) -> Path:
    """Return the folder that an environment variable holds; for an address, the folder of its local copies."""
    address = shared_address(variable)
    # each address has copies of its own
    if address is not None:
        return _user_cache() / "remote" / hashlib.sha256(address.encode()).hexdigest()[:16]
    chosen = os.environ.get(variable, "")
    return Path(chosen).expanduser() if chosen else default


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
