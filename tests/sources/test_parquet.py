"""Parquet files of images: those of Hugging Face's data sets, others, and damaged ones."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from genbench.checks.inspection import inspect_samples
from genbench.errors import InputError, UsageError
from genbench.plugs import registry
from genbench.sources import parquet_columns
from genbench.sources.folder import Folder
from genbench.sources.parquet import Parquet
from tests.sources.test_zip_archive import png, rows

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

FEATURES = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def written(
    path: Path, columns: dict[str, Any], *, features: dict[str, Any] | None = None, group: int = 2, **how: Any
) -> Path:
    """Write a file, with the metadata of Hugging Face if ``features`` are given."""
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=group, **how)
    return path


def images(*levels: int) -> list[dict[str, Any]]:
    """Images as Hugging Face stores them."""
    return [{"bytes": png(level), "path": f"{level}.png"} for level in levels]


def levels(source: Parquet) -> list[int]:
    return [int(level) for level in rows(source)[:, 0, 0, 0]]


def test_a_file_of_hugging_face_has_images_and_named_classes(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {"image": images(1, 2, 3), "label": [2, 0, 2]}, features=FEATURES)
    source = registry.open_accepted(("sources",), str(path))
    assert isinstance(source, Parquet)
    assert levels(source) == [1, 2, 3]
    assert source.labels is not None
    assert source.labels.tolist() == [2, 0, 2]
    assert source.class_names == ("cat", "dog", "owl")
    assert source.place(2) == f"{path}: image[2]"


def test_plain_bytes_and_texts_of_classes_are_read(tmp_path: Path) -> None:
    columns = {"key": ["a", "b"], "jpg": [png(5), png(6)], "class": ["owl", "cat"]}
    source = Parquet(written(tmp_path / "x.parquet", columns))
    assert levels(source) == [5, 6]
    assert source.class_names == ("cat", "owl")
    assert source.labels is not None
    assert source.labels.tolist() == [1, 0]
    assert source.ignored == {"column key": 1}


def test_shards_have_the_hash_of_the_same_files_in_a_folder(tmp_path: Path) -> None:
    for name in ("folder", "shards/data"):
        (tmp_path / name).mkdir(parents=True)
    for level in range(5):
        (tmp_path / "folder" / f"{level}.png").write_bytes(png(level))
    for shard, inside in enumerate([(0, 1, 2), (3, 4)]):
        written(tmp_path / f"shards/data/test-0000{shard}-of-00002.parquet", {"image": images(*inside)})
    source = registry.open_accepted(("sources",), tmp_path / "shards")
    assert isinstance(source, Parquet)
    assert source.digest(0, 5) == Folder(tmp_path / "folder").digest(0, 5)
    assert source.digest(2, 4) == Folder(tmp_path / "folder").digest(2, 4)


def test_splits_of_hugging_face_are_not_mixed(tmp_path: Path) -> None:
    for level, split in enumerate(("train", "test")):
        written(tmp_path / f"{split}-00000-of-00001.parquet", {"image": images(level)})
    with pytest.raises(InputError, match=r"shards of several sets \(test, train\); choose one with parquet,path="):
        Parquet(tmp_path)
    assert levels(registry.load("sources", f"parquet,path={tmp_path},split=train")) == [0]


def test_rows_are_read_in_any_order_with_few_row_groups_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_columns, "ROWS_KEPT", 4)
    path = written(tmp_path / "x.parquet", {"image": images(*range(11))}, group=3)
    source = Parquet(path)
    for row in (10, 0, 5, 4, 9, 1):
        assert source.read(row) == png(row)
    assert sum(map(len, source._files[0]._unpacked.values())) <= 6


def test_one_of_several_columns_is_chosen(tmp_path: Path) -> None:
    columns = {"before": images(1), "after": images(2), "kind": [3], "label": [0]}
    path = written(tmp_path / "x.parquet", columns)
    with pytest.raises(InputError, match=r"several columns of bytes \(before, after\); choose one with .*image=before"):
        Parquet(path)
    source = registry.load("sources", f"parquet,path={path},image=after,label=kind")
    assert levels(source) == [2]
    assert source.labels.tolist() == [3]
    with pytest.raises(UsageError, match="did you mean 'after'"):
        Parquet(path, image="aftr")
    with pytest.raises(UsageError, match="did you mean 'kind'"):
        Parquet(path, image="after", label="kin")


def test_labels_of_minus_one_are_no_classes(tmp_path: Path) -> None:
    source = Parquet(written(tmp_path / "x.parquet", {"image": images(1, 2), "label": [-1, -1]}))
    assert source.labels is None
    assert "holds no whole numbers from 0 on" in source.notes[0]


def test_a_file_without_images_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column of encoded images, only text, number"):
        Parquet(written(tmp_path / "x.parquet", {"text": ["a"], "number": [1]}))
    with pytest.raises(InputError, match="holds no rows"):
        Parquet(written(tmp_path / "y.parquet", {"image": pa.array([], pa.binary())}))


def test_images_that_are_only_paths_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {"image": [*images(1), {"bytes": None, "path": "/etc/passwd"}]})
    with pytest.raises(InputError, match=r"image\[1\] \(holds no bytes; write the images into the file"):
        rows(Parquet(path))


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {"image": images(1, 2)})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"x\.parquet is no whole Parquet file"):
        Parquet(path)


def test_damaged_pages_are_corrupt_images(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {"image": images(1, 2, 3, 4)})
    content = bytearray(path.read_bytes())
    # the pages of the first row group follow the first four bytes
    content[4:60] = bytes(56)
    path.write_bytes(content)
    source = Parquet(path)
    with pytest.raises(InputError, match=r"2 images of 4 cannot be decoded: .*image\[0\] \(damaged in the file"):
        rows(source)
    source.skip_corrupt = True
    assert levels(source) == [3, 4]


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_columns, "BOMB_SIZE", 1 << 20)
    with pytest.raises(InputError, match=r"image would unpack from .* like a decompression bomb"):
        Parquet(written(tmp_path / "x.parquet", {"image": [bytes(1 << 22)]}, compression="zstd"))


def test_an_image_that_is_repeated_without_end_is_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_columns, "BOMB_SIZE", 1 << 16)
    path = written(tmp_path / "x.parquet", {"image": [png(1)] * 100_000}, group=100_000)
    with pytest.raises(InputError, match=r"like a decompression bomb"):
        Parquet(path).digest(0, 1) and rows(Parquet(path), 256)


def test_a_full_temporary_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Parquet(written(tmp_path / "x.parquet", {"image": images(1)}))
    monkeypatch.setattr(parquet_columns.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5}))
    with pytest.raises(InputError, match=f"bytes in {tempfile.gettempdir()}; set TMPDIR"):
        rows(source)


def test_a_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "x.parquet", {"image": images(1)})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"pip install 'genbench\[parquet\]'"):
        Parquet(path)


def test_inspect_reads_parquet(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {"image": images(1, 1, 2), "label": [0, 1, 1], "key": [1, 2, 3]})
    report = inspect_samples(str(path))
    assert report.formats == {"PNG": 3}
    assert report.classes == {"0": 1, "1": 2}
    assert report.ignored == {"column key": 1}
    assert len(report.duplicates) == 1


@pytest.mark.parametrize("label", [[2.0, 0.0], [2, 0]])
def test_whole_numbers_of_any_kind_are_classes(tmp_path: Path, label: list[Any]) -> None:
    source = Parquet(written(tmp_path / "x.parquet", {"image": images(1, 2), "label": label}))
    assert source.labels is not None
    assert source.labels.tolist() == [2, 0]


@pytest.mark.parametrize("label", [[1, None], [[1], [2, 3]], [0.5, 1.0]])
def test_other_values_are_no_classes(tmp_path: Path, label: list[Any]) -> None:
    source = Parquet(written(tmp_path / "x.parquet", {"image": images(1, 2), "label": label}))
    assert source.labels is None
