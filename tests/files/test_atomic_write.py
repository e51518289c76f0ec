"""Files that are written completely or not at all, with the permissions that the user expects."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from genbench.errors import InputError
from genbench.files.atomic_write import atomic_write


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path, umask: int, expected: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "x") as temporary:
            temporary.write_text("new")
    finally:
        os.umask(before)
    assert mode(tmp_path / "x") == expected


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(0o640)
    with atomic_write(tmp_path / "x") as temporary:
        temporary.write_text("new")
    assert (mode(tmp_path / "x"), (tmp_path / "x").read_text()) == (0o640, "new")


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")

    def write_half() -> None:
        with atomic_write(tmp_path / "x") as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"x cannot be written \(No space left"):
        write_half()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_long_name_is_written(tmp_path: Path) -> None:
    with atomic_write(tmp_path / ("x" * 250)) as temporary:
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 250]


def test_a_folder_or_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(InputError, match="is a folder or a device"), atomic_write(path):
            pass
    assert (tmp_path / "pipe").is_fifo()
