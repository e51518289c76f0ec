"""Zip archives of images: valid, damaged and hostile files."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.errors import InputError
from genbench.plugs import registry
from genbench.plugs.contracts import Source
from genbench.sources.folder import Folder
from genbench.sources.zip_archive import Zip

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def png(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (level, 100, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return path


def rows(source: Source, size: int = 2) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(size) if not isinstance(batch.data, list)])


def settle(path: Path) -> None:
    then = time.time() - 3600
    os.utime(path, (then, then))


@pytest.mark.parametrize("name", ["x.zip", "X.ZIP"])
def test_a_zip_is_opened_by_its_extension_in_natural_order(tmp_path: Path, name: str) -> None:
    zipped(tmp_path / name, {"img10.png": png(10), "img2.PNG": png(2), "__MACOSX/._img2.png": b"", "readme.txt": b""})
    source = registry.open_accepted(("sources",), str(tmp_path / name))
    assert isinstance(source, Zip)
    assert source.files == ("img2.PNG", "img10.png")
    assert rows(source)[:, 0, 0, 0].tolist() == [2, 10]


def test_folders_in_a_zip_are_classes(tmp_path: Path) -> None:
    source = Zip(zipped(tmp_path / "x.zip", {"dog/a.png": png(1), "cat/b.png": png(0)}))
    assert source.class_names == ("cat", "dog")
    assert source.labels is not None
    assert source.labels.tolist() == [0, 1]


def test_a_leading_dot_and_slash_in_member_names_does_not_hide_them(tmp_path: Path) -> None:
    members = {"./cat/1.png": png(1), "dog/2.png": png(2), "./.hidden/3.png": png(3)}
    source = Zip(zipped(tmp_path / "x.zip", members))
    assert len(source) == 2
    assert source.class_names == ("cat", "dog")


def test_edm_labels_of_a_zip_are_read(tmp_path: Path) -> None:
    labels = json.dumps({"labels": [["00000/b.png", 3], ["00000/a.png", 7]]}).encode()
    members = {"dataset.json": labels, "00000/a.png": png(1), "00000/b.png": png(2)}
    source = Zip(zipped(tmp_path / "x.zip", members))
    assert source.labels is not None
    assert source.labels.tolist() == [7, 3]


def test_a_zip_of_edm_without_labels_has_none(tmp_path: Path) -> None:
    members = {"dataset.json": b'{"labels": null}', "00000/a.png": png(1)}
    assert Zip(zipped(tmp_path / "x.zip", members)).labels is None


def test_a_zip_and_its_unpacked_folder_have_the_same_digest(tmp_path: Path) -> None:
    members = {f"{i}.png": png(i) for i in range(3)}
    source = Zip(zipped(tmp_path / "x.zip", members, zipfile.ZIP_DEFLATED))
    (tmp_path / "folder").mkdir()
    for name, data in members.items():
        (tmp_path / "folder" / name).write_bytes(data)
    assert source.digest(0, 3) == Folder(tmp_path / "folder").digest(0, 3)


@pytest.mark.usefixtures("settled")
def test_an_unchanged_zip_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "x.zip", {f"{i}.png": png(i) for i in range(3)})
    settle(path)
    first = Zip(path).digest(0, 3)
    monkeypatch.setattr(Zip, "read", lambda self, row: pytest.fail("read again"))
    assert Zip(path).digest(0, 3) == first


def test_the_error_for_a_zip_without_images_lists_its_extensions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds 2 files, but no image \(\.txt 2\)"):
        Zip(zipped(tmp_path / "x.zip", {"a.txt": b"", "b.txt": b""}))


def test_a_file_that_is_not_a_zip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("not a zip")
    with pytest.raises(InputError, match="cannot be read as a zip"):
        Zip(tmp_path / "x.zip")
    with pytest.raises(InputError, match="no such file"):
        Zip(tmp_path / "y.zip")


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "a/../../b.png", "..\\a.png", "C:\\a.png", "C:a.png"])
def test_a_name_that_leads_out_of_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of the archive"):
        Zip(zipped(tmp_path / "x.zip", {name: png(0)}))
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_decompression_bomb_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.png": bytes((1 << 26) + 1)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=r"a\.png would unpack from .* decompression bomb"):
        Zip(path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.png": png(0)})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="encrypted"):
        Zip(path)


def test_an_error_names_the_damaged_members(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.png": png(0), "b.png": png(1), "c.png": b"text"})
    data = bytearray(path.read_bytes())
    data[data.index(b"b.png") + 30] ^= 255
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.zip: 2 images of 3.*b\.png \(damaged.*c\.png \(text"):
        list(Zip(path).batches(1))
    source = Zip(path)
    source.skip_corrupt = True
    assert [batch.index.tolist() for batch in source.batches(3)] == [[0]]


def test_the_jpeg_files_of_cifar10_have_ten_classes() -> None:
    path = DATA / "cifar10-jpeg" / "test.zip"
    if not path.exists():
        pytest.skip("no shared data")
    source = Zip(path)
    assert len(source) == 10_000
    assert source.class_names[:2] == ("airplane", "automobile")
    assert source.labels is not None
    assert np.bincount(source.labels).tolist() == [1000] * 10
    batch = next(source.batches(8, 5000))
    assert not isinstance(batch.data, list)
    assert batch.data.shape == (8, 3, 32, 32)
    assert batch.index[0] == 5000


def test_the_error_for_an_archive_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.zip"
    path.write_bytes(b"")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(zipfile, "ZipFile", denied)
    with pytest.raises(InputError, match=r"secret\.zip cannot be read \(Permission denied\); check its permissions"):
        Zip(path)


def test_members_that_are_not_read_are_counted_by_kind(tmp_path: Path) -> None:
    names = ("./a.png", "b.heic", "labels.csv", "__MACOSX/._a.png", "@eaDir/a.jpg")
    source = Zip(zipped(tmp_path / "x.zip", dict.fromkeys(names, png(0))))
    assert source.files == ("./a.png",)
    assert source.left_out == {"hidden files": 1, "thumbnails": 1, "heic files": 1, "other files": 1}


def test_the_last_of_two_members_of_one_name_is_used(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.png": png(1)})
    with zipfile.ZipFile(path, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("a.png", png(2))
    source = Zip(path)
    assert rows(source)[:, 0, 0, 0].tolist() == [2]
    assert source.left_out == {"members replaced by later ones": 1}


def test_a_member_with_a_damaged_name_is_a_corrupt_image(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "x.zip", {"a.png": png(1), "b.png": png(2)}).read_bytes())
    # the directory says that names are UTF-8, and the name before the first image is not
    content[content.index(b"PK\x01\x02") + 9] |= 0x08
    content[30] = 0xFF
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"1 image of 2 cannot be decoded: a\.png \(damaged in the archive"):
        rows(Zip(tmp_path / "x.zip"))


def test_a_member_without_a_name_is_no_image(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.png": png(1)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("b"), b"")
    content = path.read_bytes()
    # the local header and the directory state a name of 0 letters; the letter becomes an extra field
    at = content.rindex(b"PK\x01\x02")
    path.write_bytes(content[: at + 28] + b"\0\0\x01\0" + content[at + 32 :])
    source = Zip(path)
    assert source.files == ("a.png",)
    assert source.left_out == {"other files": 1}


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_cannot_be_unpacked_is_a_corrupt_image(tmp_path: Path, compression: int) -> None:
    path = zipped(tmp_path / "x.zip", {"a.png": png(1), "b.png": png(2) * 9}, compression)
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x03\x04") + 30 + len("b.png")
    content[start + 5 : start + 20] = b"\xff" * 15
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"1 image of 2 cannot be decoded: b\.png \(damaged in the archive"):
        rows(Zip(path))


def test_two_joined_archives_are_refused(tmp_path: Path) -> None:
    first = zipped(tmp_path / "a.zip", {"a.png": png(1)}).read_bytes()
    second = zipped(tmp_path / "b.zip", {"b.png": png(2)}).read_bytes()
    (tmp_path / "ab.zip").write_bytes(first + second)
    with pytest.raises(InputError, match=r"ab\.zip holds another archive before the last one"):
        Zip(tmp_path / "ab.zip")
    # an archive that unpacks itself begins with a program
    (tmp_path / "self.zip").write_bytes(b"#!/bin/sh\n" + second)
    assert Zip(tmp_path / "self.zip").files == ("b.png",)
    assert len(rows(Zip(tmp_path / "self.zip"))) == 1
