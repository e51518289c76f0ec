"""What all formats have in common: each is samples and a reference, and the same images have the same features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import genbench
from genbench.cli import main
from genbench.plugs.opening import open_reference, open_subject
from tests.sources.test_tar_archive import packed
from tests.sources.test_zip_archive import png, zipped

IMAGES = {f"{level:02}.png": png(level) for level in range(0, 60, 2)}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GENBENCH_CACHE", str(folder))
    return folder


def as_folder(root: Path) -> Path:
    (root / "folder").mkdir()
    for name, data in IMAGES.items():
        (root / "folder" / name).write_bytes(data)
    return root / "folder"


def as_parquet(root: Path) -> Path:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"image": list(IMAGES.values())}), root / "x.parquet")
    return root / "x.parquet"


def as_lmdb(root: Path) -> Path:
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(root / "x_lmdb"), map_size=1 << 24) as database, database.begin(write=True) as writing:
        for name, data in IMAGES.items():
            writing.put(name.encode(), data)
    return root / "x_lmdb"


def as_hdf5(root: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(root / "x.h5", "w") as file:
        for name, data in IMAGES.items():
            file[name] = np.frombuffer(data, np.uint8)
    return root / "x.h5"


FORMATS: list[Callable[[Path], Path]] = [
    lambda root: zipped(root / "x.zip", IMAGES),
    lambda root: packed(root / "x.tar", IMAGES),
    lambda root: packed(root / "x.tar.gz", IMAGES),
    as_parquet,
    as_lmdb,
    as_hdf5,
]
NAMES = ["zip", "tar", "tar.gz", "parquet", "lmdb", "hdf5"]


@pytest.mark.parametrize("make", FORMATS, ids=NAMES)
def test_a_format_gives_the_numbers_of_a_folder_from_its_features(
    make: Callable[[Path], Path], tmp_path: Path, cache: Path
) -> None:
    how: dict[str, Any] = {"reference": "digits,split=test", "features": "pixels,size=8", "metrics": "swd"}
    of_folder = genbench.score(as_folder(tmp_path), **how)
    blocks = sorted(cache.rglob("*.safetensors"))
    assert blocks
    of_format = genbench.score(make(tmp_path), **how)
    assert of_format.values == of_folder.values
    assert sorted(cache.rglob("*.safetensors")) == blocks


@pytest.mark.parametrize("make", FORMATS, ids=NAMES)
def test_a_format_is_a_reference_too(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    rows, moments = open_reference(str(path))
    assert type(rows) is type(open_subject(str(path)))
    assert moments is None


@pytest.mark.parametrize("make", FORMATS, ids=NAMES)
def test_inspect_knows_a_format(make: Callable[[Path], Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(make(tmp_path))])
    assert result.exit_code == 0, result.output
    # a long path wraps the line
    text = " ".join(result.output.split())
    assert "30 samples" in text
    assert "PNG 30" in text


def test_a_range_of_shards_is_taken_on_the_command_line(tmp_path: Path) -> None:
    for shard in range(2):
        packed(tmp_path / f"x-{shard:02}.tar", IMAGES)
    result = CliRunner().invoke(main, ["inspect", f"tar,path={tmp_path}/x-{{00..01}}.tar"])
    assert result.exit_code == 0, result.output
    assert "60 samples" in " ".join(result.output.split())
    missing = CliRunner().invoke(main, ["inspect", f"tar,path={tmp_path}/x-{{00..02}}.tar"])
    assert missing.exit_code == 1
    assert "x-02.tar: no such file; check the path." in missing.stderr


def test_a_part_of_a_format_is_split_off(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar", IMAGES)
    assert len(genbench_part(path, "train")) == len(genbench_part(path, "test")) == 15


def genbench_part(path: Path, split: str) -> Any:
    return open_subject(f"part,path={path},split={split}")
