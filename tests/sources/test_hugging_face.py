"""The objects of Hugging Face's library ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import genbench
from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.opening import open_subject
from genbench.sources.folder import Files, Folder
from genbench.sources.hugging_face import hugging_face
from tests.sources.test_zip_archive import png, rows

datasets = pytest.importorskip("datasets")

FEATURES = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def data_set(*levels: int) -> Any:
    images = [{"bytes": png(level), "path": None} for level in levels]
    columns = {"image": images, "label": [level % 2 for level in levels]}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(FEATURES))


def folder(path: Path, *levels: int) -> Path:
    path.mkdir()
    for row, level in enumerate(levels):
        (path / f"{row}.png").write_bytes(png(level))
    return path


def levels(source: Any) -> list[int]:
    return [int(level) for level in rows(source)[:, 0, 0, 0]]


def test_a_data_set_has_the_hash_and_pixels_of_the_files(tmp_path: Path) -> None:
    source: Any = open_subject(data_set(4, 3, 2))
    assert levels(source) == [4, 3, 2]
    assert source.digest(0, 3) == Folder(folder(tmp_path / "x", 4, 3, 2)).digest(0, 3)
    assert source.labels.tolist() == [0, 1, 0]
    assert source.class_names == ("cat", "dog")


def test_three_lines_score_a_data_set() -> None:
    data = data_set(*range(40))
    result = genbench.score(data, reference=data_set(*range(100, 140)), features="pixels", metrics="swd")
    assert result.generated.count == 40
    assert result["swd@pixels"].value > 0


def test_a_rotated_photograph_is_read_as_from_a_folder(tmp_path: Path) -> None:
    # datasets itself would apply the rotation
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4), "red").save(tmp_path / "x.jpg", exif=exif)
    columns = {"image": [{"bytes": (tmp_path / "x.jpg").read_bytes(), "path": None}]}
    data = datasets.Dataset.from_dict(columns, features=datasets.Features({"image": datasets.Image()}))
    assert rows(hugging_face(data)).shape == (1, 3, 4, 6)
    assert np.array_equal(rows(hugging_face(data)), rows(Folder(tmp_path)))


def test_an_image_folder_of_datasets_is_read_from_its_files(tmp_path: Path) -> None:
    path = folder(tmp_path / "x", 1, 2)
    columns = {"image": [str(path / "0.png"), str(path / "1.png")], "label": [1, 0]}
    source = hugging_face(datasets.Dataset.from_dict(columns, features=datasets.Features(FEATURES)))
    assert isinstance(source, Files)
    assert levels(source) == [1, 2]
    assert source.class_names == ("cat", "dog")


def test_a_selection_and_a_format_are_kept() -> None:
    data = data_set(5, 6, 7).with_format("numpy").select([2, 0])
    assert levels(hugging_face(data)) == [7, 5]


def test_a_transform_is_applied() -> None:
    def darken(batch: dict[str, Any]) -> dict[str, Any]:
        return {"image": [image.point(lambda value: value // 2) for image in batch["image"]], "label": batch["label"]}

    source: Any = open_subject(data_set(10, 21).with_transform(darken))
    assert levels(source) == [5, 10]
    assert [int(batch.label[0]) for batch in source.batches(1)] == [0, 1]


def test_arrays_need_a_range() -> None:
    columns = {"image": np.full((2, 3, 4, 4), 0.5, np.float32).tolist()}
    features = datasets.Features({"image": datasets.Array3D((3, 4, 4), "float32")})
    data = datasets.Dataset.from_dict(columns, features=features).with_format("numpy")
    assert levels(hugging_face(data, range="0..1")) == [128, 128]
    with pytest.raises(InputError, match="whose range is not guessed"):
        rows(hugging_face(data))


@pytest.mark.parametrize("count", [None, 2])
def test_a_stream_is_read_once_and_only_as_far_as_needed(tmp_path: Path, count: int | None) -> None:
    read: list[int] = []

    def items() -> Iterator[dict[str, Any]]:
        for level in (8, 9, 7):
            read.append(level)
            yield {"image": {"bytes": png(level), "path": None}, "label": level % 2}

    stream = datasets.IterableDataset.from_generator(items, features=datasets.Features(FEATURES))
    source: Any = open_subject(stream)
    if count is not None:
        source.read_at_most(count)
    expected = [8, 9, 7][:count]
    assert len(source) == len(expected)
    assert levels(source) == expected
    assert source.digest(0, 2) == Folder(folder(tmp_path / "x", 8, 9)).digest(0, 2)
    assert source.labels.tolist() == [0, 1, 1][:count]
    assert read[: len(expected)] == expected
    assert len(read) <= 3


def test_a_stream_that_fails_names_the_sample() -> None:
    def items() -> Iterator[dict[str, Any]]:
        yield {"image": {"bytes": png(1), "path": None}, "label": 0}
        raise OSError("the network is gone")

    stream = datasets.IterableDataset.from_generator(items, features=datasets.Features(FEATURES))
    with pytest.raises(PlugError, match=r"raised at sample 1: .*the network is gone"):
        len(hugging_face(stream))


def test_a_stream_of_unknown_columns_is_refused() -> None:
    stream = datasets.IterableDataset.from_generator(lambda: iter([{"image": 1}]))
    with pytest.raises(InputError, match="does not say what its columns hold"):
        open_subject(stream)


def test_several_splits_are_refused() -> None:
    with pytest.raises(InputError, match=r"holds the splits train, test; give one, as in dataset\['train'\]"):
        open_subject(datasets.DatasetDict({"train": data_set(1), "test": data_set(2)}))


def test_a_column_is_chosen() -> None:
    data = data_set(1, 2).rename_column("image", "before").add_column("kind", [3, 4])
    assert levels(hugging_face(data)) == [1, 2]
    source: Any = hugging_face(data, label="kind")
    assert source.labels.tolist() == [3, 4]
    with pytest.raises(UsageError, match="did you mean 'before'"):
        hugging_face(data, image="befor")


def test_a_data_set_without_images_is_refused() -> None:
    with pytest.raises(InputError, match=r"several columns \(a, b\); choose one with image=COLUMN"):
        hugging_face(datasets.Dataset.from_dict({"a": [1], "b": [2]}))
    with pytest.raises(InputError, match="holds no samples"):
        hugging_face(data_set())


def test_a_missing_image_is_named() -> None:
    data = datasets.Dataset.from_dict(
        {"image": [{"bytes": png(1), "path": None}, None]}, features=datasets.Features({"image": datasets.Image()})
    )
    with pytest.raises(InputError, match=r"image\[1\] \(holds no image\)"):
        rows(hugging_face(data))


def _images(*rows: dict[str, Any] | None) -> Any:
    return datasets.Dataset.from_dict({"image": list(rows)}, features=datasets.Features({"image": datasets.Image()}))


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("stream", [False, True])
def test_a_row_without_an_image_is_counted_wherever_it_is(missing: int, stream: bool) -> None:
    values: list[dict[str, Any] | None] = [{"bytes": png(level), "path": None} for level in (3, 4)]
    values[missing] = None
    data = _images(*values)
    source: Any = hugging_face(data.to_iterable_dataset() if stream else data)
    with pytest.raises(InputError, match=rf"1 image of 2 cannot be decoded: image\[{missing}\] \(holds no"):
        rows(source)
    source.skip_corrupt = True
    assert levels(source) == [4 - missing]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_images_in_files_and_in_bytes_may_be_mixed(tmp_path: Path, order: list[int]) -> None:
    path = folder(tmp_path / "x", 5) / "0.png"
    values = [{"bytes": None, "path": str(path)}, {"bytes": png(9), "path": None}]
    assert levels(hugging_face(_images(*(values[row] for row in order)))) == [(5, 9)[row] for row in order]
