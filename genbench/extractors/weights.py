"""Published files of weights: find a file on this computer or download it, and verify its checksum."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import torch

from genbench.errors import InputError, refuse_address
from genbench.files.atomic_write import atomic_write
from genbench.files.folder_paths import weights_root

# Number of bytes that are read at a time.
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Weights:
    """A published file of weights."""

    file: str
    """Name of the file in genbench's folder of weights."""
    urls: tuple[str, ...]
    """Addresses of the file, in the order in which they are tried."""
    sha256: str
    megabytes: int
    used_by: str
    """Name of the extractor that needs the file."""
    other_names: tuple[str, ...] = ()
    """Other names under which the same file is published."""

    def __str__(self) -> str:
        return f"{self.file} ({self.megabytes} MB, sha256 {self.sha256[:8]}...)"


def find_weights(published: Weights, path: str | Path | None = None) -> Path:
    """Return the path of a file of weights: ``path`` if given, else a copy on this computer, else a download.

    Copies are searched in genbench's folder of weights and in torch hub's checkpoints, and must have the published
    checksum. A file at ``path`` may hold any weights. Raises InputError, with the file to provide and its folder, if
    no file is available.
    """
    # The user's file needs no checksum, because the identity contains its hash.
    if path is not None:
        refuse_address(path)
        chosen = Path(path)
        if not chosen.is_file():
            raise InputError(f"{chosen} is not a file; give the path of {published} with --weights, or leave out it.")
        return chosen
    # A broken copy in genbench's own folder is an error; files of torch hub belong to others and are skipped.
    own_folder, hub_folder = weights_root(), Path(torch.hub.get_dir()) / "checkpoints"
    names = (published.file, *published.other_names)
    for copy in filter(Path.is_file, (folder / name for folder in (own_folder, hub_folder) for name in names)):
        if file_sha256(copy) == published.sha256:
            return copy
        if copy.parent == own_folder:
            raise InputError(
                f"{copy} is broken or a different file (its sha256 starts with {file_sha256(copy)[:8]}, expected "
                f"{published.sha256[:8]}); delete it and try again, or give it with --weights to use it anyway."
            )
    return _download_from_any(published, own_folder / published.file)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits; an unchanged file is read once per process.

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
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _download_from_any(published: Weights, target: Path) -> Path:
    """Download the file from the first address that works. Raises InputError if none does."""
    # Publishers move files, so the reasons of all failures are reported.
    failures = []
    for url in published.urls:
        reason = _download(url, published, target)
        if reason is None:
            return target
        failures.append(f"{url}: {reason}")
    raise InputError(
        f"{published.used_by} needs {published}, which cannot be downloaded ({'; '.join(failures)}): put it into "
        f"{target.parent} under that name or give its path with --weights, or measure without it with --features "
        "pixels, digits or mnist."
    )


def _download(url: str, published: Weights, target: Path) -> str | None:
    """Download one file completely or not at all; return the reason of a failure, or None."""
    digest = hashlib.sha256()
    blocks = _download_blocks(url, published.file)
    try:
        # Read the first block before a temporary file is created, so that an unreachable server creates none.
        first = next(blocks, b"")
        with atomic_write(target) as temporary:
            with temporary.open("wb") as file:
                for block in chain([first], blocks):
                    digest.update(block)
                    file.write(block)
            # A different file, such as an error page, is deleted.
            if digest.hexdigest() != published.sha256:
                raise _DownloadError(f"it was deleted because its sha256 starts with {digest.hexdigest()[:8]}")
    except _DownloadError as error:
        return str(error)
    return None


class _DownloadError(Exception):
    """A failed download; the message is the reason."""


def _download_blocks(url: str, name: str) -> Iterator[bytes]:
    """Yield a file at a URL in blocks, with a progress bar if stderr is a terminal."""
    from tqdm import tqdm

    # Network errors of all kinds become _DownloadError, so that the next address is tried.
    try:
        with urlopen(url, timeout=30) as response:
            total = int(response.headers.get("Content-Length", 0))
            received = 0
            with tqdm(total=total or None, desc=name, unit="B", unit_scale=True, disable=None) as bar:
                while block := response.read(_BLOCK_BYTES):
                    received += len(block)
                    bar.update(len(block))
                    yield block
            # A connection that breaks off looks like the end of the file.
            if received < total:
                raise _DownloadError(f"the connection closed after {received} of {total} bytes")
    except URLError as error:
        raise _DownloadError(str(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _DownloadError(str(error) or type(error).__name__) from error
