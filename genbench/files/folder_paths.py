"""The folders that genbench uses: the cache, the weights, and the folders of runs."""

from __future__ import annotations

import os
from pathlib import Path


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


def result_folder(root: Path, benchmark: str, sampler: str, seed: int) -> Path:
    """Return the folder in which a run stores the files of one result: weights, history, figures."""
    # names of benchmarks and samplers may contain characters that are not allowed in file names
    return root / slug(benchmark) / slug(sampler) / f"seed-{seed}"


def results_file(root: Path, benchmark: str) -> Path:
    """Return the JSON-lines file to which a run appends the results of a benchmark."""
    return root / f"{slug(benchmark)}.jsonl"


def slug(name: str) -> str:
    """Return a name as a valid file name: all characters except letters, digits and ``-_=.,`` become ``_``."""
    return "".join(letter if letter.isalnum() or letter in "-_=.," else "_" for letter in name)


def _user_cache() -> Path:
    # the XDG convention of Linux; the same folder on every other system
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genbench"
