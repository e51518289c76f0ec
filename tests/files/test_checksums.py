"""Checksums of files, in the format of ``sha256sum``."""

from __future__ import annotations

import hashlib
from pathlib import Path

from genbench.files.checksums import Checksums


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_changed_file_does_not_match_its_checksum(tmp_path: Path) -> None:
    file, sums = tmp_path / "a b.txt", Checksums(tmp_path / "sha256sums")
    file.write_text("one")
    assert sums.match(file)
    sums.add(file, sha256("one"))
    assert sums.match(file)
    file.write_text("two")
    assert not sums.match(file)
    assert sums.path.read_text() == f"{sha256('one')}  a b.txt\n"


def test_the_content_before_the_last_change_matches_too(tmp_path: Path) -> None:
    # a process may be killed between the write of the checksum and that of the file
    file, sums = tmp_path / "a", Checksums(tmp_path / "sha256sums")
    for content in ("one", "two", "three"):
        sums.add(file, sha256(content))
    matching = []
    for content in ("one", "two", "three"):
        file.write_text(content)
        matching.append(sums.match(file))
    assert matching == [False, True, True]


def test_a_damaged_list_has_no_checksums(tmp_path: Path) -> None:
    file, sums = tmp_path / "a", Checksums(tmp_path / "sha256sums")
    file.write_text("one")
    sums.path.write_bytes(b"\xff\n")
    assert sums.match(file)
