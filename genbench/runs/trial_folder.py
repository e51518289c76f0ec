"""Take the folder of a trial: alone, and without files of another identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from genbench.files.folder_lock import locked_folder
from genbench.files.progress_bar import tell
from genbench.results import Result
from genbench.runs.folder import RunFolder
from genbench.runs.identity import changes
from genbench.runs.options import RunSettings

SHOWN_CHANGES = 3
"""Number of changes that are named; an edited package may have many."""


@contextmanager
def taken_folder(settings: RunSettings, sampler: str, seed: int, identity: Mapping[str, str]) -> Iterator[RunFolder]:
    """Yield the folder of a trial, locked, with files of no other identity.

    Waits if another process works in the folder, and says so. If the files there belong to another identity, says what
    has changed and deletes them. Raises InputError if the folder cannot be written.
    """
    folder = RunFolder(settings.out, settings.benchmark.name, sampler, seed)
    trial = f"{sampler}, seed {seed}"

    def announce(process: str) -> None:
        tell(f"{trial}: {f'process {process}' if process else 'another process'} is at work in {folder.path}; waiting.")

    with locked_folder(folder.path, announce):
        changed = _changes(settings, folder, identity)
        if changed:
            more = f" and {len(changed) - SHOWN_CHANGES} more" if len(changed) > SHOWN_CHANGES else ""
            tell(f"{trial}: trained again, because this has changed: {', '.join(changed[:SHOWN_CHANGES])}{more}.")
            folder.clear()
        # a result of an earlier version has no identity: what decided it is not known any more
        if changed or folder.read_result() is None:
            folder.write_identity(identity)
        yield folder


def _changes(settings: RunSettings, folder: RunFolder, identity: Mapping[str, str]) -> list[str]:
    """Return the names of what has changed since the files of the folder were written; none if there are no files."""
    earlier = folder.read_identity()
    if earlier is not None:
        return changes(earlier, identity) if earlier else ["identity.json, which is damaged"]
    # a result without an identity was written by an earlier version, which looked at two things
    result = folder.read_result()
    return [] if result is None else _changes_of_result(settings, result)


def _changes_of_result(settings: RunSettings, result: Result) -> list[str]:
    now = {"benchmark": str(settings.benchmark), "budget": settings.budget}
    return changes({"benchmark": result.benchmark or "", "budget": result.budget}, now)
