"""The registry of statistics by name: the published ones, and those in the user's file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.features.published_statistics import PUBLISHED_STATISTICS, NamedStatistics, Sha256
from genbench.features.statistics_files import STATISTICS_EXTENSIONS, read_reference
from genbench.files.atomic_write import atomic_write
from genbench.files.downloads import ADDRESS, WEB_ADDRESS
from genbench.files.fingerprints import file_hash
from genbench.files.folder_lock import locked_folder
from genbench.files.folder_paths import statistics_root
from genbench.files.json_records import parse_json, read_record, to_record

PREFIX = "stats:"
"""A reference that starts so is the name of statistics."""

OTHER_FOLDER = "choose another folder with GENBENCH_STATISTICS"
"""What to do if the folder of statistics cannot be written."""


@dataclass(frozen=True)
class Registry:
    """The user's file ``registry.json`` in the folder of statistics."""

    statistics: tuple[NamedStatistics, ...] = ()
    """Statistics that the user added."""
    pins: Mapping[str, Sha256] = field(default_factory=dict)
    """By name, the sha256 of each file that was trusted on first use."""


def statistics_of_reference(reference: object) -> NamedStatistics | None:
    """Return the statistics that the text ``stats:NAME`` names; None for any other reference.

    Raises UsageError for an unknown name, InputError if the user's registry cannot be read.
    """
    if not isinstance(reference, str) or not reference.startswith(PREFIX):
        return None
    return named_statistics(reference.removeprefix(PREFIX))


def named_statistics(name: str) -> NamedStatistics:
    """Return the statistics of that name, with the checksum that holds. Raises UsageError for an unknown name."""
    known = {each.name: each for each in all_statistics()}
    if name not in known:
        # the list of all names would be long
        close = did_you_mean(name, known)
        raise UsageError(
            f"No statistics are called {name!r}{close[:-1] if close.startswith(',') else ''}; `genbench stats list` "
            "shows all names, and `genbench stats add` adds yours."
        )
    return known[name]


def all_statistics() -> tuple[NamedStatistics, ...]:
    """Return all statistics, the published ones first. Those that were used once have their pinned checksum."""
    registry = _read_registry()
    # a published checksum is never replaced by a pinned one
    return tuple(
        replace(each, sha256=each.sha256 or registry.pins.get(each.name, ""))
        for each in (*PUBLISHED_STATISTICS, *registry.statistics)
    )


def add_statistics(name: str, place: str, *, sha256: str = "", **known: Any) -> bool:
    """Add a file of statistics, at an address or a path, to the user's registry.

    ``known`` are further fields of NamedStatistics. Returns whether statistics of the user's had this name before.
    Raises UsageError for names and checksums that are not valid and for the name of published statistics; InputError
    for a file that cannot be used, and if the registry cannot be written.
    """
    # a published name must mean the same on every computer
    if any(each.name == name for each in PUBLISHED_STATISTICS):
        raise UsageError(f"{name!r} is the name of published statistics; choose another name.")
    # a file that is here is checked at once
    if ADDRESS.match(place) and not WEB_ADDRESS.match(place):
        raise InputError(f"{place} starts with neither https:// nor http://; fetch the file, and give its path.")
    if ADDRESS.match(place):
        fields = {"urls": [place], "sha256": sha256.lower()}
    else:
        path = Path(place).expanduser().absolute()
        fields = {"path": str(path)}
        fields["sha256"], extractor = _checked_file(path, sha256.lower())
        # a file that genbench wrote names its extractor
        if extractor and not known.get("extractors"):
            known["extractors"] = [extractor]
    # the same checks as for the table and for a file that was edited by hand
    try:
        added = read_record(NamedStatistics, {"name": name, **fields, **known})
    except ValueError as error:
        raise UsageError(f"These statistics cannot be added: {error}.") from error
    if Path(added.file).suffix.lower() not in STATISTICS_EXTENSIONS:
        raise InputError(
            f"{place} does not end in {', '.join(STATISTICS_EXTENSIONS)}; give the address of a file of statistics."
        )
    # the registry keeps one entry of each name
    replaced = [each for each in _read_registry().statistics if each.name == name]
    with _changed_registry() as registry:
        others = [each for each in registry["statistics"] if each["name"] != name]
        registry["statistics"] = [*others, to_record(added)]
        registry["pins"].pop(name, None)
    # a file that was downloaded for the name belongs to the old address
    for old in replaced:
        if not old.path:
            own_file(old).unlink(missing_ok=True)
    return bool(replaced)


def pin_checksum(name: str, sha256: str) -> None:
    """Store the sha256 of a file that is trusted on first use. Raises InputError if the registry cannot be written."""
    with _changed_registry() as registry:
        registry["pins"][name] = sha256


def registry_path() -> Path:
    """Return the path of the user's registry."""
    return statistics_root() / "registry.json"


def own_file(statistics: NamedStatistics) -> Path:
    """Return the path of the downloaded file in genbench's folder of statistics."""
    return statistics_root() / statistics.name / statistics.file


def make_folder(folder: Path) -> None:
    """Make a folder of statistics. Raises InputError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror or error}); {OTHER_FOLDER}.") from error


def _checked_file(path: Path, sha256: str) -> tuple[str, str]:
    """Return the sha256 of a file of statistics, and its extractor if genbench wrote it; empty if that is unknown.

    Raises InputError if the file has another checksum, or holds no statistics.
    """
    # existence, then checksum, then contents
    if not os.path.isfile(path):
        raise InputError(f"{path} is not a file; give the path or the address of a file of statistics.")
    try:
        found = file_hash(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check its permissions.") from error
    if sha256 not in ("", found):
        raise InputError(f"{path} has the sha256 {found}, not {sha256}; get the right file, or leave out --sha256.")
    # a damaged file is told now, and not when it is used
    reference = read_reference(path)
    if reference is None:
        raise InputError(f"{path} holds no statistics; give an .npz with mu and sigma, a .pkl, or a .safetensors.")
    # a .pkl may hold the statistics of several extractors, and a module of a guest may be absent when the file is used
    known = path.suffix.lower() != ".pkl" and ":" not in reference.extractor
    return found, reference.extractor if known else ""


def _read_registry() -> Registry:
    """Return the user's registry; an empty one if there is no file. Raises InputError if it cannot be read."""
    path = registry_path()
    # most users never have the file
    try:
        return read_record(Registry, parse_json(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Registry()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is no registry of statistics ({error}); correct it, or delete it and add your statistics again."
        ) from error


@contextmanager
def _changed_registry() -> Iterator[dict[str, Any]]:
    """Yield the user's registry as nested dicts and lists; write it when the block ends without an error."""
    # two processes that add at once keep both additions
    make_folder(statistics_root())
    with locked_folder(statistics_root(), lambda _: None):
        content = asdict(_read_registry())
        yield content
        with atomic_write(registry_path(), advice=OTHER_FOLDER) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
