"""Cached hashes of file contents: when a file counts as unchanged."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from genbench.files.fingerprints import FilePart, FileStamp, are_unchanged, cached_hashes, file_stamp
from genbench.files.folder_paths import cache_root


def hash_of(path: Path, known: str, **options: object) -> str | None:
    """Return the cached hash of a file, or ``known`` if there is none."""
    return cached_hashes([FilePart(path, **options)], lambda _: known, workers=1)[0]  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    os.utime(path, (1e9, 1e9))
    return path


@pytest.mark.usefixtures("settled")
def test_a_file_with_the_old_size_and_mtime_but_another_inode_is_hashed_again(file: Path, tmp_path: Path) -> None:
    assert [hash_of(file, "first"), hash_of(file, "second")] == ["first", "first"]
    other = tmp_path / "other"
    other.write_bytes(b"new")
    os.utime(other, (1e9, 1e9))
    other.replace(file)
    assert hash_of(file, "third") == "third"


@pytest.mark.usefixtures("settled")
def test_a_file_that_is_rewritten_in_place_with_its_old_mtime_is_hashed_again(file: Path) -> None:
    assert hash_of(file, "first") == "first"
    before = file_stamp(file)
    # ctime has the resolution of the system's clock ticks
    while file_stamp(file) == before:
        file.write_bytes(b"new")
        os.utime(file, (1e9, 1e9))
    assert hash_of(file, "second") == "second"


def test_a_file_whose_mtime_is_set_back_is_not_settled(file: Path) -> None:
    assert [hash_of(file, "first"), hash_of(file, "second")] == ["first", "second"]


@pytest.mark.usefixtures("settled")
def test_files_are_unchanged_until_one_of_them_changes(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"1")
    seen: dict[Path, FileStamp | None] = {}
    cached_hashes([FilePart(file), FilePart(other)], lambda row: str(row), seen=seen)
    assert are_unchanged(seen)
    other.write_bytes(b"12")
    assert not are_unchanged(seen)


def test_a_young_or_missing_file_is_never_surely_unchanged(file: Path, tmp_path: Path) -> None:
    for path in (file, tmp_path / "missing"):
        seen: dict[Path, FileStamp | None] = {}
        cached_hashes([FilePart(path)], lambda row: str(row), seen=seen)
        assert not are_unchanged(seen)


@pytest.mark.usefixtures("settled")
def test_the_hash_of_an_open_file_is_not_stored_for_the_file_that_has_replaced_it(file: Path, tmp_path: Path) -> None:
    opened = file_stamp(file)
    other = tmp_path / "other"
    other.write_bytes(b"new")
    other.replace(file)
    assert hash_of(file, "old contents", opened=opened) == "old contents"
    assert hash_of(file, "new contents") == "new contents"


@pytest.mark.usefixtures("settled")
def test_the_database_of_an_older_version_stays_usable(file: Path) -> None:
    root = cache_root()
    assert root is not None
    root.mkdir(parents=True)
    with sqlite3.connect(root / "fingerprints.sqlite") as database:
        database.execute("CREATE TABLE contents (path BLOB, part TEXT, size INTEGER, mtime_ns INTEGER, hash TEXT)")
    database.close()
    assert [hash_of(file, "first"), hash_of(file, "second")] == ["first", "first"]


@pytest.mark.usefixtures("settled")
def test_a_part_may_have_a_name_that_is_no_valid_text(file: Path) -> None:
    assert [hash_of(file, known, name="\udcff") for known in ("first", "second")] == ["first", "first"]


@pytest.mark.usefixtures("settled")
def test_a_cache_folder_that_cannot_be_made_is_gone_without(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(file / "cache"))
    assert [hash_of(file, "first"), hash_of(file, "second")] == ["first", "second"]
