"""Where genbench keeps things on this computer, and how a file comes into being whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


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


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genbench"
