"""Every frame of TIFF stacks and animations as a sample."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, TiffImagePlugin

from genbench.checks.inspection import inspect_samples
from genbench.cli import main
from genbench.errors import InputError
from genbench.files import fingerprints
from genbench.plugs import registry
from genbench.sources.folder import Folder
from genbench.sources.frames import Frames
from tests.sources.test_tar_archive import packed
from tests.sources.test_zip_archive import png, rows

LEVELS = (10, 200, 90)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def several(kind: str, *, levels: tuple[int, ...] = LEVELS, **how: Any) -> bytes:
    """Return an image with one frame for each level."""
    images = [Image.new("RGB", (40, 30), (level, level, level)) for level in levels]
    buffer = io.BytesIO()
    images[0].save(buffer, kind, save_all=True, append_images=images[1:], **how)
    return buffer.getvalue()


def levels_of(source: Frames) -> list[int]:
    return [int(batch.data[0][0, 0, 0]) for batch in source.batches(1)]


@pytest.mark.parametrize(
    ("name", "kind", "how"),
    [
        ("x.tif", "TIFF", {}),
        ("x.tiff", "TIFF", {"compression": "tiff_lzw"}),
        ("x.gif", "GIF", {}),
        ("x.webp", "WEBP", {"lossless": True}),
        ("x.png", "PNG", {}),
    ],
)
def test_each_frame_of_a_file_is_a_sample(tmp_path: Path, name: str, kind: str, how: dict[str, Any]) -> None:
    (tmp_path / name).write_bytes(several(kind, **how))
    source = registry.open_accepted(("sources",), str(tmp_path / name))
    assert isinstance(source, Frames)
    assert levels_of(source) == list(LEVELS)
    assert source.place(2) == f"{tmp_path}/{name} frame 2"


def test_a_part_that_changes_is_shown_with_the_rest(tmp_path: Path) -> None:
    first = Image.new("RGB", (40, 30), (250, 0, 0))
    second = first.copy()
    second.paste((0, 250, 0), (20, 0, 40, 30))
    first.save(tmp_path / "x.gif", save_all=True, append_images=[second])
    frames = rows(Frames(tmp_path / "x.gif"))
    assert frames[1, :, 0, 0].tolist() == frames[0, :, 0, 0].tolist()
    assert frames[1, 1, 0, 30] > 200


def test_sixteen_bits_are_scaled_in_each_page(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((4, 5), level * 257, np.uint16)) for level in (3, 77)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    assert levels_of(Frames(tmp_path / "x.tif")) == [3, 77]


def test_frames_of_a_folder_have_the_class_of_their_image(tmp_path: Path) -> None:
    for folder, data in (("cat", several("GIF", levels=(1, 2))), ("dog", png(5))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.gif").write_bytes(data)
    source: Any = registry.load("sources", f"frames,path={tmp_path}")
    assert levels_of(source) == [1, 2, 5]
    assert source.labels.tolist() == [0, 0, 1]
    assert source.class_names == ("cat", "dog")
    # without it only the first frames count
    assert len(Folder(tmp_path)) == 2


def test_frames_in_an_archive_are_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar", {"1.png": png(7), "2.tif": several("TIFF")})
    assert levels_of(Frames(path)) == [7, *LEVELS]


def test_rows_are_read_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "x.gif").write_bytes(several("GIF"))
    source = Frames(tmp_path / "x.gif")
    assert [int(source.load(row)[0][0, 0, 0]) for row in (2, 0, 1, 1, 2)] == [90, 10, 200, 200, 90]


def test_smaller_copies_of_pages_are_left_out(tmp_path: Path) -> None:
    thumbnail = TiffImagePlugin.ImageFileDirectory_v2()
    thumbnail[254] = 1
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "x.tif"), True) as file:
        for level, tags in ((1, None), (2, thumbnail), (3, None)):
            Image.new("RGB", (8, 8), (level, 0, 0)).save(file, "TIFF", **({"tiffinfo": tags} if tags else {}))
            file.newFrame()
    source = Frames(tmp_path / "x.tif")
    assert levels_of(source) == [1, 3]
    assert source.left_out == {"smaller copies of pages": 1}


def test_the_hash_is_that_of_the_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "SETTLED_NS", -1)
    (tmp_path / "x.gif").write_bytes(several("GIF"))
    source = Frames(tmp_path / "x.gif")
    assert source.digest(0, 2) != source.digest(1, 3)
    assert source.unchanged()
    (tmp_path / "y.gif").write_bytes(several("GIF", levels=(10, 200, 91)))
    assert source.digest(0, 3) != Frames(tmp_path / "y.gif").digest(0, 3)


def test_an_image_of_one_frame_is_no_set(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(1))
    with pytest.raises(InputError, match=r"x\.png is an image of one frame; give a folder"):
        Frames(tmp_path / "x.png")
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="holds no encoded images"):
        Frames(tmp_path / "x.npy")


def test_damaged_images_are_named(tmp_path: Path) -> None:
    content = several("TIFF", compression="tiff_lzw")
    (tmp_path / "1.tif").write_bytes(content)
    (tmp_path / "2.tif").write_bytes(b"text")
    (tmp_path / "3.tif").touch()
    source = Frames(tmp_path)
    assert len(source) == 5
    with pytest.raises(InputError, match=r"2 images of 5 .*2\.tif \(text, not an image\), .*3\.tif \(empty file\)"):
        rows(source)
    source.skip_corrupt = True
    assert levels_of(source) == list(LEVELS)


def test_a_frame_of_too_many_pixels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gif").write_bytes(several("GIF"))
    source = Frames(tmp_path / "x.gif")
    source.max_pixels = 100
    with pytest.raises(InputError, match="decompression bomb: 40 x 30 pixels"):
        rows(source)


def test_inspect_says_how_to_take_every_frame(tmp_path: Path) -> None:
    (tmp_path / "x.gif").write_bytes(several("GIF"))
    assert any("frames,path=PATH takes all" in note for note in inspect_samples(str(tmp_path)).notes)
    assert inspect_samples(f"frames,path={tmp_path}").sizes == {"40x30": 3}


def test_a_score_of_first_frames_says_how_to_take_the_others(tmp_path: Path) -> None:
    (tmp_path / "x.gif").write_bytes(several("GIF"))
    (tmp_path / "y.gif").write_bytes(several("GIF", levels=(5, 6)))
    words = f"score --samples {tmp_path} --reference frames,path={tmp_path} --features pixels --metrics swd --no-cache"
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 0, result.output
    assert f"frames,path={tmp_path} takes every frame" in " ".join(result.output.split())


@pytest.mark.parametrize(("name", "kind"), [("2.tif", "TIFF"), ("2.gif", "GIF"), ("2.png", "PNG")])
@pytest.mark.parametrize("share", [0.45, 0.7, 0.9])
def test_frames_that_a_cut_hides_are_told(tmp_path: Path, name: str, kind: str, share: float) -> None:
    whole = [png(7), several(kind, levels=(10, 200, 90, 60))]
    (tmp_path / "1.png").write_bytes(whole[0])
    (tmp_path / name).write_bytes(whole[1][: int(share * len(whole[1]))])
    source = Frames(tmp_path)
    with pytest.raises(InputError, match=rf"cannot be decoded: .*{name}.*--skip-corrupt"):
        rows(source)
    # the frames before the damage stay
    source.skip_corrupt = True
    found = levels_of(source)
    assert found == [7, 10, 200, 90, 60][: len(found)]
    assert 2 <= len(found) < 5


def test_a_gif_that_is_cut_between_two_frames_is_told(tmp_path: Path) -> None:
    content = several("GIF")
    # without its last byte, nothing says that no frame is missing
    (tmp_path / "x.gif").write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"1 image of 4 .*x\.gif frame 3 \(cut short: the end of the file is missing"):
        rows(Frames(tmp_path / "x.gif"))
    # what follows the end of a GIF is no part of it
    (tmp_path / "x.gif").write_bytes(content + b"more")
    assert levels_of(Frames(tmp_path / "x.gif")) == list(LEVELS)


def test_a_single_damaged_image_says_what_is_wrong(tmp_path: Path) -> None:
    cut = several("TIFF")[:1000]
    for data, reason in ((b"text", "text, not an image"), (cut, "cut short"), (b"", "empty file")):
        (tmp_path / "x.tif").write_bytes(data)
        with pytest.raises(InputError, match=rf"1 image of 1 cannot be decoded: .*x\.tif \({reason}"):
            rows(Frames(tmp_path / "x.tif"))


def test_frames_of_an_image_above_the_limit_are_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.gif").write_bytes(several("GIF"))
    (tmp_path / "2.png").write_bytes(several("PNG", levels=(5,)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    source = Frames(tmp_path)
    source.max_pixels = 5000
    for _ in range(2):
        with pytest.raises(InputError, match=r"1 image of 2 .*1\.gif \(its frames cannot be counted; save them as"):
            rows(source)
    source.skip_corrupt = True
    assert levels_of(source) == [5]
