"""LMDB databases of images: whole, damaged, and with other entries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from genbench.checks.inspection import inspect_samples
from genbench.errors import InputError, UsageError
from genbench.plugs import registry
from genbench.sources.folder import Folder
from genbench.sources.lmdb_database import Lmdb
from tests.sources.test_zip_archive import png, rows

lmdb = pytest.importorskip("lmdb")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def written(path: Path, entries: dict[str, bytes], *, subdir: bool = True) -> Path:
    with lmdb.open(str(path), map_size=1 << 24, subdir=subdir) as database, database.begin(write=True) as writing:
        for key, value in entries.items():
            writing.put(key.encode(), value)
    return path


def levels(source: Lmdb) -> list[int]:
    return [int(level) for level in rows(source)[:, 0, 0, 0]]


def test_a_folder_with_a_database_is_read_in_natural_order(tmp_path: Path) -> None:
    written(tmp_path / "x_lmdb", {"10": png(10), "2": png(2), "length": b"2"})
    source = registry.open_accepted(("sources",), str(tmp_path / "x_lmdb"))
    assert isinstance(source, Lmdb)
    assert levels(source) == [2, 10]
    assert source.left_out == {"other entries": 1}
    assert source.place(1) == "10"


def test_a_database_in_a_single_file_is_read(tmp_path: Path) -> None:
    written(tmp_path / "x.lmdb", {"cat/1": png(1), "dog/2": png(2)}, subdir=False)
    source = registry.open_accepted(("sources",), tmp_path / "x.lmdb")
    assert levels(source) == [1, 2]
    assert source.class_names == ("cat", "dog")


def test_a_database_has_the_hash_of_the_same_files_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for level in range(3):
        (tmp_path / "folder" / f"{level}.png").write_bytes(png(level))
    source = Lmdb(written(tmp_path / "x", {str(level): png(level) for level in range(3)}))
    assert source.digest(0, 3) == Folder(tmp_path / "folder").digest(0, 3)


def test_samples_and_reference_may_be_one_database(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {"1": png(1)})
    one, two = Lmdb(path), Lmdb(path)
    assert one.read(0) == two.read(0)


def test_a_prefix_chooses_the_images(tmp_path: Path) -> None:
    entries = {"image-1": png(1), "label-1": b"word", "num-samples": b"1"}
    path = written(tmp_path / "x", entries)
    assert levels(registry.load("sources", f"lmdb,path={path},prefix=image-")) == [1]
    with pytest.raises(InputError, match=r"label-1 \(text, not an image\)"):
        rows(Lmdb(path))
    with pytest.raises(InputError, match="holds 3 entries, but no image; check the path and the prefix"):
        Lmdb(path, prefix="picture")


def test_a_database_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {str(level): png(level) * 100 for level in range(9)})
    content = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(content[:-5000])
    with pytest.raises(InputError, match="is cut short: it has"):
        Lmdb(path)


def test_a_database_that_becomes_shorter_does_not_kill_the_process(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {str(level): png(level) * 100 for level in range(9)})
    source = Lmdb(path)
    with (path / "data.mdb").open("r+b") as file:
        file.truncate(8192)
    with pytest.raises(InputError, match="is cut short"):
        source.read(8)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.mdb").write_bytes(b"Standard Jet DB" * 1000)
    with pytest.raises(InputError, match=r"x\.mdb is no LMDB database"):
        Lmdb(tmp_path / "x.mdb")


def test_a_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "x", {"1": png(1)})
    monkeypatch.setitem(__import__("sys").modules, "lmdb", None)
    with pytest.raises(UsageError, match=r"pip install 'genbench\[lmdb\]'"):
        Lmdb(path)


def test_inspect_reads_a_database(tmp_path: Path) -> None:
    report = inspect_samples(str(written(tmp_path / "x", {"1": png(1), "2": b"x"})))
    assert report.formats == {"PNG": 1}
    assert report.corrupt == ("2 (text, not an image)",)


def test_a_database_that_the_program_has_open_is_no_damaged_one(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {"1": png(1)})
    with lmdb.open(str(path)), pytest.raises(InputError, match="x is already open in this program; close that"):
        Lmdb(path)
    assert levels(Lmdb(path)) == [1]


def test_a_database_that_changed_while_it_is_used_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {"1": png(1)})
    older = Lmdb(path)
    # another program writes
    code = "import lmdb, sys; x = lmdb.open(sys.argv[1]); y = x.begin(write=True); y.put(b'2', b''); y.commit()"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    with pytest.raises(InputError, match="x has changed since this program opened it; run the program again"):
        Lmdb(path)
    assert levels(older) == [1]
    del older
    assert len(Lmdb(path)) == 2
