"""Download a published file completely or not at all, and verify its checksum."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from genbench.files.atomic_write import atomic_write

TIMEOUT_SECONDS = 10.0
"""A server that sends nothing for this long counts as unreachable."""

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
"""The beginning of an address; a path on Windows starts with one letter."""

WEB_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
"""The beginning of an address that can be downloaded."""

# Number of bytes that are read at a time.
_BLOCK_BYTES = 1 << 20


class DownloadError(Exception):
    """A failed download; the message is the reason, as a part of a sentence."""


class ChecksumError(DownloadError):
    """A download with another sha256 than expected."""


def download_first(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str = "",
    accept: Callable[[Path, str], None] | None = None,
    variable: str = "GENBENCH_CACHE",
) -> str:
    """Download a file from the first address that works, and return its sha256.

    The file appears at ``target`` only if it is complete and its checksum starts with ``sha256``, which may be empty.
    ``accept(file, sha256)`` may raise DownloadError about a file before it is moved to ``target``. Raises DownloadError
    with the reasons of all addresses; InputError, which advises to set ``variable``, if the file cannot be written.
    """
    # Publishers move files, so the reasons of all failures are reported.
    failures: list[DownloadError] = []
    for url in urls:
        outcome = _download(url, target, sha256, accept, variable)
        if isinstance(outcome, str):
            return outcome
        failures.append(outcome)
    # addresses that fail for one reason, such as no network, share it
    by_reason: dict[str, list[str]] = {}
    for url, failure in zip(urls, failures, strict=True):
        by_reason.setdefault(str(failure), []).append(url)
    reasons = "; ".join(f"{', '.join(same)}: {reason}" for reason, same in by_reason.items())
    raise DownloadError(reasons) from (failures[-1] if failures else None)


def _download(
    url: str, target: Path, sha256: str, accept: Callable[[Path, str], None] | None, variable: str
) -> str | DownloadError:
    """Download a file completely or not at all; return its sha256, or the reason of the failure."""
    digest = hashlib.sha256()
    blocks = download_blocks(url, target.name)
    try:
        # Read the first block before a temporary file is created, so that an unreachable server creates none.
        first = next(blocks, b"")
        with atomic_write(target, advice=f"choose another folder with {variable}") as temporary:
            with temporary.open("wb") as file:
                for block in chain([first], blocks):
                    digest.update(block)
                    file.write(block)
            # A different file, such as an error page, is deleted.
            found = digest.hexdigest()
            if not found.startswith(sha256):
                raise ChecksumError(f"it was deleted because its sha256 is {found}, not {sha256}")
            if accept is not None:
                accept(temporary, found)
    except DownloadError as error:
        return error
    return found


def download_blocks(url: str, name: str) -> Iterator[bytes]:
    """Yield the file at an address in blocks, with a progress bar if stderr is a terminal. Raises DownloadError."""
    import http.client
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    from tqdm import tqdm

    # urlopen would also read local files
    if WEB_ADDRESS.match(url) is None:
        raise DownloadError("it starts with neither https:// nor http://")
    # Network errors of all kinds become DownloadError, so that the next address is tried.
    try:
        # the time limit also holds for each block
        with urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            if url.lower().startswith("https:") and not response.url.lower().startswith("https:"):
                raise DownloadError(f"it leads to {response.url}, which is not encrypted")
            total = int(response.headers.get("Content-Length", 0))
            received = 0
            with tqdm(total=total or None, desc=name, unit="B", unit_scale=True, disable=None) as bar:
                while block := response.read(_BLOCK_BYTES):
                    received += len(block)
                    bar.update(len(block))
                    yield block
            # A connection that breaks off looks like the end of the file.
            if received < total:
                raise DownloadError(f"the connection closed after {received} of {total} bytes")
    except HTTPError as error:
        # the error holds the connection open
        with error:
            raise DownloadError(f"{error.code} {error.reason}") from error
    except URLError as error:
        raise DownloadError(str(error.reason) or type(error).__name__) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(str(error) or type(error).__name__) from error
