"""Folders of images: what counts, in which order, and what is message about what cannot be used."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.errors import InputError, UsageError
from genbench.files import fingerprints
from genbench.files.fingerprints import FilePart, cached_hashes
from genbench.plugs import registry
from genbench.plugs.contracts import Source
from genbench.sources import read_ahead, threaded
from genbench.sources.folder import Files, Folder
from genbench.sources.image_formats import EXTENSIONS, FORMATS
from genbench.sources.zip_archive import Zip


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GENBENCH_CACHE", str(folder))
    return folder


def put(folder: Path, *names: str, size: tuple[int, int] = (4, 4)) -> Path:
    """Save a different image at each name; the red level counts up."""
    for level, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (level, 100, 200)).save(folder / name)
    return folder


def settle(folder: Path) -> None:
    """Make files look an hour old, so that their hashes can be cached."""
    then = time.time() - 3600
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def reds(source: Source, size: int = 3) -> list[int]:
    return [int(image[0, 0, 0]) for batch in source.batches(size) for image in batch.data]


def error_text(source: Source) -> str:
    with pytest.raises(InputError) as caught:
        list(source.batches(4))
    return str(caught.value)


def test_the_path_of_a_folder_opens_as_a_source(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    for subject in (tmp_path, str(tmp_path)):
        source = registry.open_accepted(("sources",), subject)
        assert isinstance(source, Folder)
        assert isinstance(source, Source)
        assert source.name == str(tmp_path)


def test_the_order_is_natural_and_extensions_are_not_case_sensitive(tmp_path: Path) -> None:
    put(tmp_path, "img1.png", "img2.PNG", "img10.Jpeg", "img010.bmp", "sub2/a.tif", "sub10/a.webp")
    assert Folder(tmp_path).files == ("img1.png", "img2.PNG", "img010.bmp", "img10.Jpeg", "sub2/a.tif", "sub10/a.webp")


def test_a_very_long_number_in_a_name_is_sorted(tmp_path: Path) -> None:
    put(tmp_path, f"{'9' * 200}.png", "2.png")
    assert Folder(tmp_path).files[0] == "2.png"


def test_hidden_files_are_no_samples(tmp_path: Path) -> None:
    put(tmp_path, "a.png", ".b.png", "._a.png", "__MACOSX/a.png", ".git/c.png")
    assert Folder(tmp_path).files == ("a.png",)


def test_first_level_folders_are_classes_when_all_images_lie_in_folders(tmp_path: Path) -> None:
    put(tmp_path, "class2/a.png", "class10/deep/b.png", "class2/c.png")
    source = Folder(tmp_path)
    assert source.class_names == ("class2", "class10")
    assert source.labels is not None
    assert source.labels.tolist() == [0, 0, 1]
    assert np.concatenate([batch.label for batch in source.batches(2) if batch.label is not None]).tolist() == [0, 0, 1]


def test_one_image_outside_of_the_folders_means_no_classes(tmp_path: Path) -> None:
    put(tmp_path, "cat/a.png", "b.png")
    assert Folder(tmp_path).labels is None
    assert next(Folder(tmp_path).batches(2)).label is None


def test_a_single_folder_around_the_classes_is_not_a_class(tmp_path: Path) -> None:
    put(tmp_path, "val/cat/a.png", "val/dog/b.png")
    assert Folder(tmp_path).class_names == ("cat", "dog")


def test_a_link_to_a_folder_in_the_folder_adds_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a/x.png")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert Folder(tmp_path).files == ("a/x.png",)


def test_a_broken_link_is_an_error_and_is_not_ignored(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    text = error_text(Folder(tmp_path))
    assert "gone.png (cannot be read" in text
    assert "self.png (cannot be read" in text


def test_batches_are_uint8_rgb_with_the_index_of_each_row(tmp_path: Path) -> None:
    source = Folder(put(tmp_path, *(f"{i}.png" for i in range(7)), size=(6, 5)))
    batches = list(source.batches(3))
    assert [batch.index.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    assert not isinstance(batches[0].data, list)
    assert batches[0].data.shape == (3, 3, 5, 6)
    assert batches[0].data.dtype == np.uint8
    assert reds(source) == list(range(7))


def test_rows_can_be_taken_from_the_middle(tmp_path: Path) -> None:
    source = Folder(put(tmp_path, *(f"{i}.png" for i in range(9))))
    batches = list(source.batches(3, 4, 8))
    assert [batch.index.tolist() for batch in batches] == [[4, 5, 6], [7]]
    assert [int(image[0, 0, 0]) for batch in batches for image in batch.data] == [4, 5, 6, 7]


def test_missing_rows_are_an_error_at_the_call(tmp_path: Path) -> None:
    source = Folder(put(tmp_path, "a.png"))
    with pytest.raises(UsageError, match="no rows 0 to 2"):
        source.batches(1, 0, 2)
    with pytest.raises(UsageError, match="batch size"):
        source.batches(0)


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    source = Folder(put(tmp_path, *(f"{i}.png" for i in range(20))))
    for workers in (1, 3, 8):
        source.workers = workers
        assert reds(source, 7) == list(range(20))


def test_images_of_different_sizes_form_a_list(tmp_path: Path) -> None:
    put(tmp_path, "a.png", size=(4, 4))
    put(tmp_path, "b.png", size=(8, 2))
    batch = next(Folder(tmp_path).batches(2))
    assert isinstance(batch.data, list)
    assert [tuple(image.shape) for image in batch.data] == [(3, 4, 4), (3, 2, 8)]


def test_only_a_few_batches_are_decoded_in_advance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Folder(put(tmp_path, *(f"{i}.png" for i in range(40))))
    read: list[int] = []
    plain = Files.read

    def watched(source: Files, row: int) -> bytes:
        read.append(row)
        return plain(source, row)

    monkeypatch.setattr(Files, "read", watched)
    batches = source.batches(2)
    next(batches)
    del batches
    assert max(read) < 2 * (read_ahead.BATCHES_AHEAD + 2)


def test_threads_end_with_their_batches(tmp_path: Path) -> None:
    source = Folder(put(tmp_path, *(f"{i}.png" for i in range(9))))
    batches = source.batches(2)
    next(batches)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("genbench-decode")]
    assert threads
    del batches
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        Folder(tmp_path / "nope")


def test_a_file_instead_of_a_folder_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    with pytest.raises(InputError, match="is a file"):
        Folder(tmp_path / "a.png")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an empty folder; expected images"):
        Folder(tmp_path)


def test_the_error_for_a_folder_without_images_lists_its_extensions(tmp_path: Path) -> None:
    for name in ("a.txt", "b.TXT", "deep/c.pt", "README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    with pytest.raises(InputError, match=r"holds 4 files, but no image \(\.txt 2, .*\.pt 1"):
        Folder(tmp_path)


def test_an_error_names_a_truncated_jpeg(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg", size=(64, 64))
    data = (tmp_path / "b.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(data[: len(data) // 2])
    text = error_text(Folder(tmp_path))
    assert f"1 image of 2 cannot be decoded: {tmp_path / 'b.jpg'} (cut short" in text
    assert "--skip-corrupt" in text


def spoil(folder: Path) -> list[Path]:
    """Create forty images, replace four of them by corrupt files, and return these four."""
    put(folder, *(f"{i:03}.png" for i in range(40)))
    bad = [folder / f"{i:03}.png" for i in (1, 14, 15, 39)]
    bad[0].write_text("404: not found")
    bad[1].write_bytes(b"")
    bad[2].write_bytes(bytes(100))
    bad[3].write_bytes((folder / "000.png").read_bytes()[:50])
    return bad


def test_all_corrupt_files_are_named_and_not_only_the_first(tmp_path: Path) -> None:
    bad = spoil(tmp_path)
    text = error_text(Folder(tmp_path))
    assert "4 images of 40" in text
    for path, reason in zip(bad, ("text, not an image", "empty file", "zeros", "cut short"), strict=True):
        assert f"{path} ({reason}" in text


def test_corrupt_files_after_the_requested_rows_are_named_too(tmp_path: Path) -> None:
    spoil(tmp_path)
    with pytest.raises(InputError, match=r"3 images of 40.*039\.png"):
        list(Folder(tmp_path).batches(2, 10, 16))


def test_more_than_fifty_corrupt_files_are_counted(tmp_path: Path) -> None:
    for i in range(60):
        (tmp_path / f"{i}.png").write_bytes(b"")
    text = error_text(Folder(tmp_path))
    assert text.count("(empty file)") == 50
    assert "and 10 more" in text


def test_skip_corrupt_leaves_corrupt_files_out_of_the_rows(tmp_path: Path) -> None:
    spoil(tmp_path)
    source = Folder(tmp_path)
    source.skip_corrupt = True
    rows = np.concatenate([batch.index for batch in source.batches(2)]).tolist()
    assert rows == [row for row in range(40) if row not in (1, 14, 15, 39)]
    assert reds(source) == rows


def test_an_error_names_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png", "b.png")
    plain = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "b.png":  # chmod does not stop root, who may run this test
            raise PermissionError(13, "Permission denied")
        return plain(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert f"{tmp_path / 'b.png'} (cannot be read: Permission denied)" in error_text(Folder(tmp_path))
    assert len(Folder(tmp_path).digest(0, 2)) == 64


def test_an_error_names_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="cannot be read \\(Permission denied\\)"):
        Folder(tmp_path)


def test_the_digest_depends_on_content_and_order_but_not_on_names(tmp_path: Path) -> None:
    original = Folder(put(tmp_path / "original", "a.png", "b.png", "c.png"))
    renamed = Folder(put(tmp_path / "renamed", "x/1.png", "x/2.png", "y/3.png"))
    swapped = Folder(put(tmp_path / "swapped", "b.png", "a.png", "c.png"))
    assert original.digest(0, 3) == renamed.digest(0, 3)
    assert original.digest(0, 3) != swapped.digest(0, 3)
    assert original.digest(0, 2) != original.digest(1, 3)
    assert original.digest(2, 3) == swapped.digest(2, 3)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    opened: list[Path] = []
    plain = Path.read_bytes

    def watched(path: Path) -> bytes:
        opened.append(path)
        return plain(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    return opened


@pytest.mark.usefixtures("settled")
def test_an_unchanged_folder_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *(f"{i}.png" for i in range(5)))
    settle(tmp_path)
    opened = count_reads(monkeypatch)
    first = Folder(tmp_path).digest(0, 5)
    assert len(opened) == 5
    assert Folder(tmp_path).digest(0, 5) == first
    assert len(opened) == 5


@pytest.mark.usefixtures("settled")
def test_only_changed_files_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *(f"{i}.png" for i in range(5)))
    settle(tmp_path)
    first = Folder(tmp_path).digest(0, 5)
    Image.new("RGB", (4, 4), (99, 0, 0)).save(tmp_path / "3.png")
    opened = count_reads(monkeypatch)
    assert Folder(tmp_path).digest(0, 5) != first
    assert opened == [tmp_path / "3.png"]


def test_a_file_with_a_new_mtime_and_the_same_size_is_read_again(tmp_path: Path) -> None:
    put(tmp_path, "a.ppm")
    settle(tmp_path)
    first = Folder(tmp_path).digest(0, 1)
    size = (tmp_path / "a.ppm").stat().st_size
    Image.new("RGB", (4, 4), (99, 0, 0)).save(tmp_path / "a.ppm")
    settle(tmp_path)
    assert (tmp_path / "a.ppm").stat().st_size == size
    assert Folder(tmp_path).digest(0, 1) != first


def test_the_hash_of_a_file_that_has_just_changed_is_not_cached(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    stat = (tmp_path / "a.png").stat()
    first = Folder(tmp_path).digest(0, 1)
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[-20] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    os.utime(tmp_path / "a.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Folder(tmp_path).digest(0, 1) != first


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("spoilt", [b"this is no database" * 100, b""])
def test_a_damaged_database_of_hashes_is_created_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, spoilt: bytes
) -> None:
    put(tmp_path, "a.png")
    settle(tmp_path)
    first = Folder(tmp_path).digest(0, 1)
    (cache / "fingerprints.sqlite").write_bytes(spoilt)
    assert Folder(tmp_path).digest(0, 1) == first
    opened = count_reads(monkeypatch)
    assert Folder(tmp_path).digest(0, 1) == first
    assert not opened


@pytest.mark.parametrize("where", ["off", "/dev/null/nowhere"])
def test_without_a_cache_folder_hashes_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    put(tmp_path, "a.png")
    settle(tmp_path)
    digest = Folder(tmp_path).digest(0, 1)
    monkeypatch.setenv("GENBENCH_CACHE", where)
    assert Folder(tmp_path).digest(0, 1) == digest


def hash_folder(path: Path) -> str:
    source = Folder(path)
    return source.digest(0, len(source))


@pytest.mark.usefixtures("settled")
def test_two_processes_can_cache_hashes_at_the_same_time(tmp_path: Path, cache: Path) -> None:
    put(tmp_path, *(f"{i}.png" for i in range(30)))
    settle(tmp_path)
    with ProcessPoolExecutor(2) as pool:
        assert len(set(pool.map(hash_folder, [tmp_path] * 4))) == 1
    with sqlite3.connect(cache / "fingerprints.sqlite") as database:
        assert database.execute("SELECT count(*) FROM stamped_contents").fetchone() == (30,)


def test_a_file_name_that_is_not_valid_text_is_cached_and_printed(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.png")
    try:
        put(tmp_path, "a.png")
        (tmp_path / "a.png").rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system accepts only text")
    settle(tmp_path)
    assert Folder(tmp_path).digest(0, 1) == Folder(tmp_path).digest(0, 1)
    (tmp_path / name).write_bytes(b"")
    error_text(Folder(tmp_path)).encode()


@pytest.mark.usefixtures("settled")
def test_hashes_computed_before_a_kill_stay_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *(f"{i}.png" for i in range(6)))
    settle(tmp_path)
    parts = [FilePart(tmp_path / f"{i}.png") for i in range(6)]
    monkeypatch.setattr(fingerprints, "HASHES_PER_COMMIT", 2)

    def killed(row: int) -> str:
        if row == 4:
            raise KeyboardInterrupt
        return f"hash {row}"

    with pytest.raises(KeyboardInterrupt):
        cached_hashes(parts, killed, workers=1)
    again = itertools.count()
    assert cached_hashes(parts, lambda row: f"new {next(again)}", workers=1)[:4] == [f"hash {i}" for i in range(4)]


def test_a_folder_can_hold_a_single_image(tmp_path: Path) -> None:
    source = Folder(put(tmp_path, "a.png"))
    assert len(source) == 1
    assert np.shape(next(source.batches(32)).data) == (1, 3, 4, 4)


# the ledger: what is used and what is not


def test_every_raster_format_that_pillow_reads_is_read(tmp_path: Path) -> None:
    for extension in EXTENSIONS:
        image = Image.new("1" if extension == ".pbm" else "L" if extension == ".pgm" else "RGB", (8, 8), "white")
        image.save(tmp_path / f"{extension[1:]}{extension.upper()}", FORMATS[extension])
    source = Folder(tmp_path)
    assert len(source) == len(EXTENSIONS)
    assert source.left_out == {}
    assert all(int(image.min()) >= 250 for batch in source.batches(8) for image in batch.data)


def test_two_formats_of_one_name_are_two_samples(tmp_path: Path) -> None:
    assert Folder(put(tmp_path, "a.png", "a.jfif")).files == ("a.jfif", "a.png")


def test_files_that_are_not_read_are_counted_by_kind(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "@eaDir/a.png/thumb.jpg", ".thumbnails/b.png", ".git/deep/c.png", "._a.png")
    for name in ("b.HEIC", "c.heic", "d.svg", "labels.txt", "info.json", "Thumbs.db", "README"):
        (tmp_path / name).write_text("x")
    source = Folder(tmp_path)
    assert source.files == ("a.png",)
    assert source.left_out == {
        "thumbnails": 3,
        "hidden files": 2,
        "heic files": 2,
        "svg files": 1,
        "other files": 3,
    }


def test_the_further_frames_of_a_stack_are_counted(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), level) for level in (0, 80, 160)]
    put(tmp_path, "plain.png")
    for name in ("stack.tif", "stack.gif", "stack.webp", "stack.apng"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    (batch,) = Folder(tmp_path).batches(8)
    assert batch.left_out == {"further frames": 8}


def test_linked_folders_are_visited_once(tmp_path: Path) -> None:
    names = [f"f{i}" for i in range(12)]
    put(tmp_path, *(f"{name}/x.png" for name in names))
    for name in names:
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(tmp_path / other)
    source = Folder(tmp_path)
    assert source.files == tuple(f"{name}/x.png" for name in names)
    assert source.left_out == {"links to folders already counted": 144}


def test_linked_folders_outside_are_classes_under_the_names_of_the_links(tmp_path: Path) -> None:
    put(tmp_path, "store/7/a.png", "store/9/b.png")
    (tmp_path / "chosen").mkdir()
    (tmp_path / "chosen" / "dog").symlink_to(tmp_path / "store" / "7")
    (tmp_path / "chosen" / "cat").symlink_to(tmp_path / "store" / "9")
    source = Folder(tmp_path / "chosen")
    assert source.files == ("cat/b.png", "dog/a.png")
    assert source.class_names == ("cat", "dog")


def test_a_folder_of_links_to_chosen_images_holds_these_images(tmp_path: Path) -> None:
    put(tmp_path, "store/a.png", "store/b.png", "store/c.png")
    (tmp_path / "chosen").mkdir()
    for name in ("a.png", "c.png"):
        (tmp_path / "chosen" / name).symlink_to(tmp_path / "store" / name)
    source = Folder(tmp_path / "chosen")
    assert source.files == ("a.png", "c.png")
    assert source.left_out == {}


def test_a_file_counts_once_under_its_own_name(tmp_path: Path) -> None:
    put(tmp_path, "z.png")
    (tmp_path / "a.png").symlink_to(tmp_path / "z.png")
    (tmp_path / "zz.png").hardlink_to(tmp_path / "z.png")
    source = Folder(tmp_path)
    assert source.files == ("z.png",)
    assert source.left_out == {"links to files already counted": 2}


def test_a_device_or_pipe_is_named_and_never_opened(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    text = error_text(Folder(tmp_path))
    assert "pipe.png (a device, pipe or socket" in text
    assert "zero.png (a device, pipe or socket" in text


# dataset.json


def write_labels(folder: Path, labels: Any) -> Path:
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


@pytest.mark.parametrize("around", ["", "set/"])
def test_dataset_json_gives_the_classes_of_a_folder_and_of_a_zip_alike(tmp_path: Path, around: str) -> None:
    put(tmp_path / "folder", f"{around}00000/a.png", f"{around}00000/b.png", f"{around}00001/c.png")
    write_labels(tmp_path / "folder" / around, [["00000/b.png", 3], ["00000/a.png", 0], ["00001/c.png", 1.0]])
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "folder")
    for source in (Folder(tmp_path / "folder"), Zip(tmp_path / "packed.zip")):
        assert source.labels is not None
        assert source.labels.tolist() == [0, 3, 1]
        assert source.class_names == ("0", "1", "2", "3")
        # the file is used
        assert (source.left_out, dict(source.ignored)) == ({}, {})


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (None, "says that there are no classes"),
        ([["a/1.png", [0, 1]], ["b/2.png", [1, 0]]], "labels of several numbers"),
        ([["a/1.png", 1]], "no label for 1 of 2 images"),
    ],
)
def test_a_dataset_json_without_usable_classes_gives_none_and_a_note(tmp_path: Path, labels: Any, note: str) -> None:
    source = Folder(write_labels(put(tmp_path, "a/1.png", "b/2.png"), labels))
    assert source.labels is None
    assert source.class_names is None
    assert note in source.notes[0]


def test_a_dataset_json_of_something_else_leaves_the_folders_as_classes(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "dataset.json").write_text('{"title": "My images"}')
    source = Folder(tmp_path)
    assert source.class_names == ("a", "b")
    assert "no labels in the format" in source.notes[0]
    assert source.left_out == {"other files": 1}


@pytest.mark.parametrize("text", ["[" * 100_000, "{", '{"labels": 3}', '{"labels": [["a/1.png", 1.5]]}'])
def test_a_broken_dataset_json_is_an_error(tmp_path: Path, text: str) -> None:
    put(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=r"dataset\.json .*; fix or remove it"):
        Folder(tmp_path)


# memory and threads


def test_large_images_are_decoded_within_a_limit_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *(f"{i}.png" for i in range(0, 20)), size=(100, 100))
    put(tmp_path, "10.png", "11.png", size=(4, 4))
    plain = [image for batch in Folder(tmp_path).batches(8) for image in batch.data]
    # two large images may be decoded at a time, and three fit into a batch
    monkeypatch.setattr(read_ahead, "MEMORY_AHEAD", 150_000)
    monkeypatch.setattr(threaded, "BATCH_BYTES", 100_000)
    decoding, most = itertools.count(), 0
    lock, running = threading.Lock(), [0]
    decode = threaded.decode_within

    def watched(data: bytes, *, memory: int | None, **options: Any) -> Any:
        nonlocal most
        with lock:
            running[0] += memory is None
            most = max(most, running[0])
        try:
            next(decoding)
            return decode(data, memory=memory, **options)
        finally:
            with lock:
                running[0] -= memory is None

    monkeypatch.setattr(threaded, "decode_within", watched)
    source = Folder(tmp_path)
    source.workers = 8
    batches = list(source.batches(8))
    assert 1 <= most <= 2
    assert [batch.index.tolist() for batch in batches[:3]] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    images = [image for batch in batches for image in batch.data]
    assert len(images) == 20
    assert all(np.array_equal(image, other) for image, other in zip(images, plain, strict=True))


def test_corrupt_files_among_large_images_are_all_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(tmp_path)
    monkeypatch.setattr(read_ahead, "MEMORY_AHEAD", 1)
    monkeypatch.setattr(threaded, "BATCH_BYTES", 1)
    assert "4 images of 40" in error_text(Folder(tmp_path))


class Waiting(threaded.ThreadedSource):
    """A source of points, whose rows from the third on wait for an event."""

    name = "waiting"

    def __init__(self) -> None:
        self.release = threading.Event()

    def __len__(self) -> int:
        return 9

    def place(self, row: int) -> str:
        return str(row)

    def load(self, row: int) -> tuple[torch.Tensor, int | None]:
        if row >= 2:
            self.release.wait()
        return torch.zeros(2), None


def test_an_abandoned_generator_does_not_wait_for_its_threads() -> None:
    source = Waiting()
    batches: Any = source.batches(1)
    next(batches)
    closing = threading.Thread(target=batches.close)
    closing.start()
    closing.join(timeout=10)
    waited = closing.is_alive()
    source.release.set()
    closing.join()
    assert not waited


def test_max_pixels_of_a_source_decides_which_images_are_bombs(tmp_path: Path) -> None:
    source = Folder(put(tmp_path, "a.png", size=(20, 10)))
    source.max_pixels = 199
    assert "20 x 10 pixels, more than 199 pixels" in error_text(source)
    source.max_pixels = 200
    assert len(next(source.batches(1)).data) == 1


def test_a_file_larger_than_any_image_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    with open(tmp_path / "a.png", "ab") as file:
        file.truncate(1 << 34)
    assert "a.png (17,179,869,184 bytes, more than any image has" in error_text(Folder(tmp_path))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_large_photographs_are_scored_in_little_memory(tmp_path: Path) -> None:
    put(tmp_path, "0.jpg", size=(6000, 4000))
    for i in range(1, 32):
        shutil.copy(tmp_path / "0.jpg", tmp_path / f"{i}.jpg")
    # the command line, because it tells the C library to keep freed memory
    code = (
        "import pathlib, resource, sys\nfrom genbench.cli import main\nout = pathlib.Path(sys.argv[2])\n"
        "sys.argv = ['genbench', 'score', '--samples', sys.argv[1], '--reference', sys.argv[1], '--features', "
        "'pixels,size=2', '--metrics', 'fd', '--no-cache', '--workers', '8']\n"
        "try:\n    code = main()\nexcept SystemExit as end:\n    code = end.code\n"
        "out.write_text(f'{code} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "peak.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    code_text, peak = (tmp_path / "peak.txt").read_text().split()
    assert code_text in ("0", "None"), done.stderr
    # the images alone need 2.3 GB, and 5 GB while they are decoded
    assert int(peak) < 3000, f"{peak} MB"


def test_a_folder_stays_the_same_if_the_working_folder_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, place in enumerate(("first", "second")):
        (tmp_path / place / "images").mkdir(parents=True)
        Image.new("L", (4, 4), number).save(tmp_path / place / "images" / "a.png")
    monkeypatch.chdir(tmp_path / "first")
    source = Folder("images")
    digest = source.digest(0, 1)
    monkeypatch.chdir(tmp_path / "second")
    assert source.digest(0, 1) == digest
    assert next(source.batches(1)).data[0].max() == 0
    # messages show the path as it was given
    assert source.place(0) == "images/a.png"


@pytest.mark.parametrize("label", [None, "cat", {}, float("nan"), -1, 1.5])
def test_a_label_that_is_no_class_is_shown(tmp_path: Path, label: object) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["a.png", label]]}))
    with pytest.raises(InputError, match="is no class; expected a whole number from 0 on"):
        Folder(tmp_path)
