"""Test the inspection of photographs and of damaged, unusual and repeated files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from genbench.checks.inspection import FINE_DETAIL, fine_detail, inspect_samples
from genbench.cli import main
from genbench.errors import InputError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of six different PNG images of 16 x 16 pixels."""
    (tmp_path / "images").mkdir()
    for number in range(6):
        picture(number).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


def picture(seed: int, size: int = 16) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8))


def notes(path: Path) -> str:
    return "\n".join(inspect_samples(str(path)).notes)


def test_formats_sizes_and_modes_are_counted(folder: Path) -> None:
    picture(9, 32).convert("L").save(folder / "9.png")
    report = inspect_samples(str(folder))
    assert report.count == 7
    assert report.formats == {"PNG": 7}
    assert report.sizes == {"16x16": 6, "32x32": 1}
    assert report.modes == {"RGB": 6, "L": 1}
    assert "2 sizes" in "".join(report.notes)


def test_width_comes_before_height(folder: Path) -> None:
    picture(9).resize((30, 20)).save(folder / "wide.png")
    assert "30x20" in inspect_samples(str(folder)).sizes


def test_the_format_is_read_from_the_bytes_and_not_from_the_extension(folder: Path) -> None:
    picture(9).save(folder / "9.bmp")
    (folder / "9.bmp").rename(folder / "9.png")
    assert inspect_samples(str(folder)).formats == {"PNG": 6, "BMP": 1}


def test_jpeg_is_noted(folder: Path) -> None:
    assert "JPEG" not in notes(folder)
    picture(9).save(folder / "9.jpg")
    assert "1 JPEG file: compression" in notes(folder)


def crops(size: int, *, enlarge: int = 1) -> list[Image.Image]:
    """Return those crops of scikit-learn's two photographs that have some texture."""
    from sklearn.datasets import load_sample_images

    images = []
    for photograph in load_sample_images().images:
        side = size // enlarge
        for top in range(0, photograph.shape[0] - side, 97):
            for left in range(0, photograph.shape[1] - side, 97):
                crop = Image.fromarray(photograph[top : top + side, left : left + side])
                if np.asarray(crop).std() > 20:
                    images.append(crop.resize((size, size), Image.Resampling.BICUBIC) if enlarge > 1 else crop)
    return images


def saved(images: list[Image.Image], folder: Path) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    return folder


def test_enlarged_photographs_are_noted_and_original_ones_are_not(tmp_path: Path) -> None:
    real = inspect_samples(str(saved(crops(64), tmp_path / "real")))
    enlarged = inspect_samples(str(saved(crops(64, enlarge=2), tmp_path / "enlarged")))
    assert real.count >= 30
    assert real.enlarged <= 0.1 * real.count
    assert enlarged.enlarged > 0.5 * enlarged.count
    assert "enlarged or blurred" not in "".join(real.notes)
    assert "enlarged or blurred" in "".join(enlarged.notes)


@pytest.mark.parametrize("times", [2, 4, 7])
@pytest.mark.parametrize("method", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
def test_a_whole_photograph_has_fine_detail_and_loses_it_when_it_is_enlarged(
    times: int, method: Image.Resampling
) -> None:
    from sklearn.datasets import load_sample_image

    photograph = Image.fromarray(load_sample_image("china.jpg")).convert("L").crop((0, 120, 630, 420))
    small = photograph.resize((630 // times, 300 // times), method)
    assert fine_detail(np.asarray(photograph, float)) > 3 * FINE_DETAIL
    assert fine_detail(np.asarray(small, float)) > 3 * FINE_DETAIL
    assert fine_detail(np.asarray(small.resize((630, 300), method), float)) < FINE_DETAIL


def test_the_detail_of_a_uniform_image_is_not_judged(folder: Path) -> None:
    assert fine_detail(np.full((32, 32), 7.0)) == -1.0
    for number in range(20):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"flat{number}.png")
    assert inspect_samples(str(folder)).enlarged == 0


def test_noise_is_all_fine_detail() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(float)
    assert fine_detail(noise) > 20 * FINE_DETAIL


def test_gray_images_among_coloured_ones_are_counted(folder: Path) -> None:
    picture(9).convert("L").save(folder / "9.png")
    picture(10).convert("L").convert("RGB").save(folder / "10.png")
    assert inspect_samples(str(folder)).grayscale == 2
    assert "2 of 8 are gray" in notes(folder)


def test_suitable_extractors_are_named_if_all_images_are_gray() -> None:
    report = inspect_samples("digits,split=test")
    assert report.grayscale == report.count == 899
    assert "all are gray" in "".join(report.notes)


def test_files_with_equal_pixels_are_duplicates(folder: Path) -> None:
    picture(3).save(folder / "again.bmp")
    report = inspect_samples(str(folder))
    assert [sorted(Path(place).name for place in group) for group in report.duplicates] == [["3.png", "again.bmp"]]
    assert "1 exact duplicate in 1 group:" in "".join(report.notes)
    assert "again.bmp" in report.to_text()


def test_many_groups_of_duplicates_are_counted_in_the_text(folder: Path) -> None:
    for number in range(25):
        for copy in "ab":
            picture(100 + number).save(folder / f"{copy}{number}.png")
    text = inspect_samples(str(folder)).to_text()
    assert text.count("  the same  ") == 21
    assert "and 5 groups more" in text


def test_every_corrupt_file_is_named_and_the_exit_code_is_1(folder: Path) -> None:
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no image at all")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:200])
    outcome = CliRunner().invoke(main, ["inspect", str(folder)])
    assert outcome.exit_code == 1
    assert outcome.stderr == ""
    for name, reason in (("empty.png", "empty file"), ("text.png", "text, not an image"), ("cut.png", "cut short")):
        assert any(name in line and reason in line for line in outcome.stdout.splitlines()), (name, outcome.stdout)
    assert "3 images cannot be decoded" in outcome.stdout
    assert "sizes     16x16 6" in outcome.stdout


def test_a_sound_folder_has_exit_code_0(folder: Path) -> None:
    assert CliRunner().invoke(main, ["inspect", str(folder)]).exit_code == 0


def test_classes_are_counted_by_the_names_of_their_folders(tmp_path: Path) -> None:
    for name, count in (("cat", 3), ("dog", 1)):
        (tmp_path / name).mkdir()
        for number in range(count):
            picture(number).save(tmp_path / name / f"{number}.png")
    assert inspect_samples(str(tmp_path)).classes == {"cat": 3, "dog": 1}


def test_files_that_are_not_images_are_counted_by_extension(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    report = inspect_samples(str(folder))
    assert report.ignored == {".txt": 1}
    assert report.count == 6


def test_an_exif_rotation_is_noted(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(9).save(folder / "9.jpg", exif=exif)
    assert inspect_samples(str(folder)).rotated == 1
    assert "1 image with an EXIF rotation" in notes(folder)


def test_an_animation_is_noted(folder: Path) -> None:
    frames = [picture(number).convert("P") for number in (20, 21, 22)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    (folder / "moving.gif").rename(folder / "moving.png")
    assert inspect_samples(str(folder)).animated == 1
    assert "1 image with several frames" in notes(folder)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_noted(folder: Path, mode: str) -> None:
    assert "transparency" not in notes(folder)
    picture(9).convert(mode).save(folder / "9.png")
    assert "transparency is dropped" in notes(folder)


def test_fewer_images_than_dimensions_are_noted_and_points_are_not(folder: Path) -> None:
    assert "2,048 dimensions of Inception" in notes(folder)
    report = inspect_samples("ring,count=50")
    assert report.notes == ()
    assert "nothing that would distort a score" in report.to_text()


def test_an_array_is_inspected_too(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    images[4] = images[1]
    np.savez(tmp_path / "images.npz", images)
    report = inspect_samples(str(tmp_path / "images.npz"))
    assert report.sizes == {"8x8": 5}
    assert [[place.split("[")[1] for place in group] for group in report.duplicates] == [["1]", "4]"]]


def test_the_json_has_every_field(folder: Path) -> None:
    (folder / "empty.png").write_bytes(b"")
    outcome = CliRunner().invoke(main, ["inspect", str(folder), "--json"])
    data = json.loads(outcome.stdout)
    assert data["count"] == 7
    assert data["sizes"] == {"16x16": 6}
    assert "empty.png" in data["corrupt"][0]
    assert set(data) == set(inspect_samples(str(folder)).__dataclass_fields__)


def test_one_sample_is_written_in_the_singular(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "0.png")
    assert f"{tmp_path}: 1 sample\n" in inspect_samples(str(tmp_path)).to_text()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an empty folder"):
        inspect_samples(str(tmp_path))


@pytest.mark.parametrize("text", ["gan,weights=x.safetensors", "command:./make {count} {seed} {out}", "noise"])
def test_a_sampler_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is a sampler"):
        inspect_samples(text)


def test_a_module_of_a_guest_is_refused_without_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil_guest.py").write_text("open('imported', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is code, which inspect does not run"):
        inspect_samples("evil_guest:Images,count=3")
    assert not (tmp_path / "imported").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_file_is_described_and_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "generator.pt")
    monkeypatch.setattr(torch.jit, "load", lambda *arguments, **options: pytest.fail("the file was loaded"))
    with pytest.raises(InputError, match=r"generator\.pt is a TorchScript program of \d+ lines, not a set of samples"):
        inspect_samples(str(tmp_path / "generator.pt"))


@pytest.mark.parametrize(("name", "what"), [("w.pt", "a pickled object of torch"), ("g.onnx", "a model")])
def test_another_model_is_described(tmp_path: Path, name: str, what: str) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / name)
    with pytest.raises(InputError, match=what):
        inspect_samples(str(tmp_path / name))
