"""Tar archives and shards of WebDataset: valid, damaged and hostile files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from genbench.checks.inspection import inspect_samples
from genbench.errors import InputError, UsageError
from genbench.plugs import registry
from genbench.sources import archive_members, tar_index
from genbench.sources.folder import Folder
from genbench.sources.tar_archive import Tar
from tests.sources.test_zip_archive import png, rows


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def packed(path: Path, members: dict[str, bytes]) -> Path:
    """Write an archive, compressed as its name says."""
    kind = {".tar": "", ".tgz": "gz"}.get(path.suffix, path.suffix[1:])
    with tarfile.open(path, f"w:{kind}") as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def levels(source: Tar) -> list[int]:
    return [int(level) for level in rows(source)[:, 0, 0, 0]]


@pytest.mark.parametrize("name", ["x.tar", "X.TAR", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz"])
def test_an_archive_is_opened_by_its_name_in_natural_order(tmp_path: Path, name: str) -> None:
    packed(tmp_path / name.lower(), {"img10.png": png(10), "img2.PNG": png(2), "._img2.png": b"", "readme.txt": b""})
    (tmp_path / name.lower()).rename(tmp_path / name)
    source = registry.open_accepted(("sources",), str(tmp_path / name))
    assert isinstance(source, Tar)
    assert source.files == ("img2.PNG", "img10.png")
    assert levels(source) == [2, 10]
    assert source.left_out == {"hidden files": 1, "other files": 1}


def test_an_archive_has_the_hash_of_the_same_files_in_a_folder(tmp_path: Path) -> None:
    images = {f"{level}.png": png(level) for level in range(3)}
    (tmp_path / "folder").mkdir()
    for name, data in images.items():
        (tmp_path / "folder" / name).write_bytes(data)
    archive = Tar(packed(tmp_path / "x.tar", images))
    assert archive.digest(0, 3) == Folder(tmp_path / "folder").digest(0, 3)
    assert archive.digest(0, 2) != archive.digest(1, 3)


def test_a_folder_of_shards_is_one_set(tmp_path: Path) -> None:
    for shard in (10, 2):
        packed(tmp_path / f"train-{shard}.tar", {f"{row}.png": png(shard + row) for row in range(2)})
    source = registry.open_accepted(("sources",), tmp_path)
    assert isinstance(source, Tar)
    assert levels(source) == [2, 3, 10, 11]
    assert source.place(2) == f"{tmp_path}/train-10.tar: 0.png"


def test_a_list_and_a_range_of_shards_are_one_set(tmp_path: Path) -> None:
    paths = [packed(tmp_path / f"x-{shard:02}.tar", {"0.png": png(shard)}) for shard in range(9, 12)]
    listed = registry.open_accepted(("sources",), paths[::-1])
    ranged = registry.load("sources", f"tar,path={tmp_path}/x-{{09..10}}.tar")
    assert levels(listed) == [11, 10, 9]
    assert levels(ranged) == [9, 10]


def test_splits_of_a_folder_are_not_mixed(tmp_path: Path) -> None:
    packed(tmp_path / "train-000.tar", {"0.png": png(1)})
    packed(tmp_path / "val-000.tar", {"0.png": png(2)})
    with pytest.raises(InputError, match=r"several sets \(train, val\); choose one with .*split=train"):
        Tar(tmp_path)
    assert levels(Tar(tmp_path, split="val")) == [2]
    with pytest.raises(UsageError, match="did you mean 'val'"):
        Tar(tmp_path, split="vla")


def test_a_folder_with_images_beside_an_archive_is_a_folder(tmp_path: Path) -> None:
    packed(tmp_path / "all.tar", {"0.png": png(1)})
    (tmp_path / "1.png").write_bytes(png(2))
    assert isinstance(registry.open_accepted(("sources",), tmp_path), Folder)


def test_webdataset_classes_lie_beside_the_images(tmp_path: Path) -> None:
    samples = {f"{key}.{kind}": data for key, label in (("b", b"3\n"), ("a", b"7")) for kind, data in
               (("png", png(label[0])), ("cls", label), ("json", b"{}"))}  # fmt: skip
    source = Tar(packed(tmp_path / "x.tar", samples))
    assert source.labels is not None
    assert source.labels.tolist() == [7, 3]
    assert source.left_out == {"other files": 2}
    assert source.ignored == {".json": 2}


def test_a_class_that_is_missing_is_told(tmp_path: Path) -> None:
    source = Tar(packed(tmp_path / "x.tar", {"a.png": png(1), "a.cls": b"1", "b.png": png(2), "b.cls": b"cat"}))
    assert source.labels is None
    assert source.notes == ("1 of 2 images have no .cls with a whole number, so there are no classes",)


def test_a_class_belongs_to_the_image_of_its_whole_name(tmp_path: Path) -> None:
    images = {f"a/img.v{level}.png": png(level) for level in (1, 2)}
    classes = {"a/img.v1.cls": b"5", "a/img.v2.cls": b"6"}
    source = Tar(packed(tmp_path / "x.tar", images | classes))
    assert source.labels is not None
    assert source.labels.tolist() == [5, 6]
    # the class of another image is not taken
    source = Tar(packed(tmp_path / "x.tar", images | {"a/img.v1.cls": b"5"}))
    assert source.notes == ("1 of 2 images have no .cls with a whole number, so there are no classes",)


def test_all_images_of_a_sample_have_its_class(tmp_path: Path) -> None:
    members = {"1.png": png(1), "1.mask.png": png(2), "1.cls": b"5", "2.png": png(3), "2.cls": b"6"}
    source = Tar(packed(tmp_path / "x.tar", members))
    assert source.labels is not None
    assert dict(zip(source.files, source.labels.tolist(), strict=True)) == {"1.png": 5, "1.mask.png": 5, "2.png": 6}


@pytest.mark.parametrize("names", [("1.a.cls", "1.b.cls"), ("1.cls", "1.CLS")])
def test_several_classes_of_one_image_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    path = packed(tmp_path / "x.tar", {"1.png": png(1), names[0]: b"5", names[1]: b"6"})
    with pytest.raises(InputError, match=r"holds 2 classes for 1\.png \(.*\); keep one \.cls for each image"):
        Tar(path)


def test_folders_in_an_archive_are_classes(tmp_path: Path) -> None:
    source = Tar(packed(tmp_path / "x.tar", {"./dog/a.png": png(1), "./cat/b.png": png(0)}))
    assert source.class_names == ("cat", "dog")
    assert source.labels is not None
    assert np.array_equal(np.sort(source.labels), [0, 1])


def test_one_image_of_each_sample_is_chosen(tmp_path: Path) -> None:
    members = {f"{key}.{kind}": png(level) for key in "ab" for kind, level in (("png", 1), ("mask.png", 2))}
    path = packed(tmp_path / "x.tar", members)
    with pytest.raises(InputError, match=r"several images of each sample .*choose one with .*image=mask\.png"):
        Tar(path)
    source = Tar(path, image="mask.png")
    assert levels(source) == [2, 2]
    assert source.left_out == {"further images of samples": 2}
    with pytest.raises(UsageError, match=r"no image whose name ends in \.jpg; it holds"):
        Tar(path, image="jpg")


@pytest.mark.parametrize("end", [1, 700, 2000, 2 * 512])
def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path, end: int) -> None:
    path = packed(tmp_path / "x.tar", {f"{row}.png": png(row) for row in range(3)})
    # at 1024 bytes the first member ends, and nothing but the mark of the end is missing
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(InputError, match=r"x\.tar is cut short"):
        Tar(path)


def test_a_compressed_archive_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar.gz", {f"{row}.png": png(row) for row in range(3)})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"x\.tar\.gz is cut short or damaged"):
        Tar(path)


def test_joined_archives_are_refused(tmp_path: Path) -> None:
    one, two = (packed(tmp_path / f"{name}.tar", {f"{name}.png": png(1)}).read_bytes() for name in "ab")
    (tmp_path / "both.tar").write_bytes(one + two)
    with pytest.raises(InputError, match="holds another archive after its first one"):
        Tar(tmp_path / "both.tar")


def test_a_lying_size_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        member = tarfile.TarInfo("huge.png")
        member.size = 1 << 40
        archive.addfile(member)
    with pytest.raises(InputError, match=r"huge\.png has 1,099,511,627,776 bytes, more than any image"):
        Tar(tmp_path / "x.tar")


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_index, "LARGEST_HEADER", 1 << 10)
    with pytest.raises(InputError, match="has a header of"):
        Tar(packed(tmp_path / "x.tar", {f"{'a' * 3000}.png": png(1)}))


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_index, "BOMB_SIZE", 1 << 20)
    assert archive_members.BOMB_RATIO == 200
    with pytest.raises(InputError, match="like a decompression bomb"):
        Tar(packed(tmp_path / "x.tar.gz", {"a.png": bytes(5 << 20)}))


def test_a_path_out_of_the_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a path that leads out of the archive"):
        Tar(packed(tmp_path / "x.tar", {"../a.png": png(1)}))


def test_the_last_of_two_members_of_one_name_is_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for level in (1, 2):
            member = tarfile.TarInfo("a.png")
            member.size = len(png(level))
            archive.addfile(member, io.BytesIO(png(level)))
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    source = Tar(tmp_path / "x.tar")
    assert levels(source) == [2]
    assert source.left_out == {"members replaced by later ones": 1, "links and devices": 1}


def test_an_archive_without_images_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds 1 file, but no image \(\.npy 1\)"):
        Tar(packed(tmp_path / "x.tar", {"a.npy": b"1"}))


def test_inspect_names_a_damaged_member(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar", {"a.png": png(1), "b.png": b"text"})
    report = inspect_samples(str(path))
    assert report.count == 2
    assert report.formats == {"PNG": 1}
    assert report.corrupt == ("b.png (text, not an image)",)
