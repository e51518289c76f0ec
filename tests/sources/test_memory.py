"""Samples in the memory of Python: arrays, tensors and data sets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset

from genbench.errors import InputError
from genbench.plugs import registry
from genbench.plugs.contracts import Source
from genbench.sources.memory import ArraySource, DatasetSource
from genbench.sources.stream import StreamSource


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))


IMAGES = np.random.default_rng(0).integers(0, 256, (7, 3, 6, 8), dtype=np.uint8)


class Items(Dataset[Any]):
    """A data set of a list of items."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        if isinstance(self.items[row], Exception):
            raise self.items[row]
        return self.items[row]


def rows(source: Source, size: int = 3) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(size) if not isinstance(batch.data, list)])


def opened(subject: object) -> Source:
    return registry.open_accepted(("sources",), subject)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        (IMAGES, ArraySource),
        (torch.from_numpy(IMAGES), ArraySource),
        (Items(*IMAGES), DatasetSource),
        (TensorDataset(torch.from_numpy(IMAGES), torch.arange(7)), DatasetSource),
        ([Image.fromarray(image.transpose(1, 2, 0)) for image in IMAGES], DatasetSource),
        (list(IMAGES), DatasetSource),
        ([(image, 1) for image in IMAGES], DatasetSource),
        (DataLoader(TensorDataset(torch.from_numpy(IMAGES), torch.arange(7)), batch_size=2), StreamSource),
        ([IMAGES[:4], IMAGES[4:]], StreamSource),
        ((batch for batch in (IMAGES[:4], IMAGES[4:])), StreamSource),
    ],
)
def test_each_object_is_opened_by_exactly_one_source(subject: object, kind: type) -> None:
    accepting = [
        name
        for name, entry in registry.installed("sources").items()
        if getattr(entry.load(), "accepts", lambda _: False)(subject)
    ]
    assert len(accepting) == 1
    source = opened(subject)
    assert type(source) is kind
    assert len(source) == 7
    assert np.array_equal(rows(source), IMAGES)


@pytest.mark.parametrize(
    "subject", [torch.nn.Sequential(torch.nn.ReLU()), {"a": 1}, "nowhere", Path("nowhere"), 3, int]
)
def test_other_objects_are_accepted_by_no_source(subject: object) -> None:
    assert opened(subject) is None


# arrays


def test_points_are_float32() -> None:
    points = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert np.array_equal(rows(ArraySource(points)), points.float().numpy())


def test_a_tensor_with_gradient_or_half_precision_is_read() -> None:
    images = torch.from_numpy(IMAGES) / 255
    for kind in (torch.float32, torch.float16, torch.bfloat16):
        source = ArraySource(images.to(kind).requires_grad_(), range="0..1")
        assert abs(rows(source).astype(int) - IMAGES).max() <= (0 if kind == torch.float32 else 1)


def test_a_batch_is_a_copy() -> None:
    array = IMAGES.copy()
    next(ArraySource(array).batches(7)).data[0].fill(0)  # type: ignore[union-attr]
    assert np.array_equal(array, IMAGES)


def test_rows_can_be_taken_from_the_middle() -> None:
    batches = list(ArraySource(IMAGES, labels=np.arange(7)).batches(2, 3, 6))
    assert [batch.index.tolist() for batch in batches] == [[3, 4], [5]]
    assert batches[1].label is not None
    assert batches[1].label.tolist() == [5]


def test_the_digest_depends_on_the_rows_and_their_layout() -> None:
    source = ArraySource(IMAGES)
    assert source.digest(0, 7) == ArraySource(torch.from_numpy(IMAGES)).digest(0, 7)
    assert source.digest(0, 7) == ArraySource(np.asfortranarray(IMAGES)).digest(0, 7)
    assert source.digest(0, 6) != source.digest(1, 7)
    floats = IMAGES / 255
    assert ArraySource(floats, range="0..1").digest(0, 7) != ArraySource(floats, range="0..2").digest(0, 7)


def test_the_digest_does_not_depend_on_the_size_of_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ArraySource(IMAGES).digest(0, 7)
    monkeypatch.setattr("genbench.sources.memory.PIECE_BYTES", 2 * IMAGES[0].nbytes)
    assert ArraySource(IMAGES).digest(0, 7) == whole


@pytest.mark.parametrize("array", [np.array([[0.0, np.nan]]), torch.tensor([[0.0, torch.inf]]), np.array([[0, 1e300]])])
def test_points_must_be_finite(array: Any) -> None:
    with pytest.raises(InputError, match="in row 0, but points must be finite"):
        ArraySource(array)


def test_the_error_for_a_float_array_shows_how_to_declare_its_range() -> None:
    with pytest.raises(InputError, match=r"ArraySource\(x, range='0..1'\)"):
        ArraySource(IMAGES / 255)


def test_labels_must_be_one_whole_number_per_row() -> None:
    with pytest.raises(InputError, match="expected 7 whole numbers"):
        ArraySource(IMAGES, labels=np.zeros(6, np.int64))
    with pytest.raises(InputError, match="expected 7 whole numbers"):
        ArraySource(IMAGES, labels=np.full(7, 0.5))


@pytest.mark.parametrize("labels", [np.arange(7.0), np.arange(7)[:, None], np.eye(7), np.arange(7).tolist()])
def test_labels_may_be_floats_a_column_or_one_hot(labels: Any) -> None:
    source = ArraySource(IMAGES, labels=labels)
    assert source.labels is not None
    assert source.labels.tolist() == list(range(7))


def test_booleans_are_black_and_white() -> None:
    mask = IMAGES > 127
    assert np.array_equal(rows(ArraySource(mask)), np.where(mask, 255, 0))
    assert np.array_equal(rows(DatasetSource(Items(*mask))), np.where(mask, 255, 0))
    assert np.array_equal(rows(StreamSource([mask])), np.where(mask, 255, 0))


@pytest.mark.parametrize(
    ("array", "declared", "likely"),
    [
        (IMAGES > 127, "0..255", None),
        ((IMAGES > 127).astype(np.uint8), None, "0..1"),
        (IMAGES / 255, "0..255", "0..1"),
        (IMAGES / 255, "-1..1", "0..1"),
        (IMAGES.astype(np.uint16), "0..65535", "0..255"),
        (IMAGES.astype(np.int64), None, "0..255"),
        (IMAGES.astype(np.uint16) * 16, None, "0..4095"),
        (IMAGES.astype(np.uint16) * 257, None, "0..65535"),
        (IMAGES.astype(np.float32), None, "0..255"),
        (IMAGES / 127.5 - 1, None, "-1..1"),
        (IMAGES.astype(np.int32) - 1000, None, "-1000..-745"),
    ],
)
def test_a_missing_or_impossible_range_is_an_error_that_names_the_likely_one(
    array: np.ndarray, declared: str | None, likely: str | None
) -> None:
    if likely is None:
        # True and False are 1 and 0 in a declared range
        assert rows(ArraySource(array, range=declared)).max() == 1
        return
    with pytest.raises(InputError, match=rf"declare .*range='{likely}'\)"):
        ArraySource(array, range=declared)
    with pytest.raises(InputError, match=rf"declare .*range='{likely}'\)"):
        len(StreamSource([array], range=declared))
    # the advice is right
    assert rows(ArraySource(array, range=likely)).max() >= 250


@pytest.mark.parametrize(
    ("array", "declared"),
    [
        (np.zeros_like(IMAGES), None),
        (np.ones_like(IMAGES), None),
        (np.zeros(IMAGES.shape), "-1..1"),
        (IMAGES / 2550, "0..1"),
        (IMAGES / 510 + 0.25, "-1..1"),
        ((IMAGES > 127).astype(np.uint8), "0..255"),
        (IMAGES.astype(np.uint16) * 16, "0..65535"),
    ],
)
def test_a_range_that_may_be_right_is_accepted(array: np.ndarray, declared: str | None) -> None:
    assert len(ArraySource(array, range=declared)) == 7


def test_the_whole_array_decides_whether_it_holds_only_zeros_and_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genbench.sources.memory.PIECE_BYTES", 2 * IMAGES[0].nbytes)
    array = (IMAGES > 127).astype(np.uint8)
    array[-1, 0, 0, 0] = 200
    assert rows(ArraySource(array)).max() == 200


def test_sparse_tensors_and_masked_values_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be read as numbers"):
        ArraySource(torch.eye(4).to_sparse())
    with pytest.raises(InputError, match="masked values"):
        ArraySource(np.ma.masked_greater(IMAGES, 200))
    assert len(ArraySource(np.ma.masked_array(IMAGES))) == 7


def test_a_single_number_is_an_error() -> None:
    with pytest.raises(InputError, match="no samples"):
        ArraySource(np.array(3.0))


# data sets


@pytest.mark.parametrize("gray", [lambda x: x[0], lambda x: x[:1], lambda x: x[0][..., None]])
def test_gray_items_are_replicated(gray: Any) -> None:
    source = DatasetSource(Items(*(gray(image) for image in IMAGES)))
    assert np.array_equal(rows(source), np.repeat(IMAGES[:, :1], 3, axis=1))


def test_a_pillow_item_is_decoded_by_the_same_rule_as_a_file() -> None:
    wide = Image.fromarray(np.full((4, 4), 257 * 9, np.uint16))
    assert rows(DatasetSource(Items(wide))).max() == 9


def test_items_of_different_sizes_form_a_list() -> None:
    batch = next(DatasetSource(Items(IMAGES[0], IMAGES[1][:, :2])).batches(2))
    assert isinstance(batch.data, list)


def test_the_class_of_an_item_is_its_label() -> None:
    source = DatasetSource(Items((IMAGES[0], 4), (IMAGES[1], torch.tensor(2)), (IMAGES[2], np.int64(7))))
    batch = next(source.batches(3))
    assert batch.label is not None
    assert batch.label.tolist() == [4, 2, 7]


def test_a_float_or_one_hot_class_of_an_item_is_its_number() -> None:
    labels = [torch.tensor([0.0, 0, 1]), np.float32(2), np.array([1]), 3.0, True]
    batch = next(DatasetSource(Items(*zip(IMAGES[:5], labels, strict=True))).batches(5))
    assert batch.label is not None
    assert batch.label.tolist() == [2, 2, 1, 3, 1]


@pytest.mark.parametrize("label", [0.5, -1, np.zeros(40), "cat", None, {"a": 1}, np.zeros((2, 2))])
def test_an_item_whose_second_element_is_no_class_has_none(label: Any) -> None:
    assert next(DatasetSource(Items((IMAGES[0], label))).batches(1)).label is None


@pytest.mark.parametrize("targets", [[0.5, 1], [0, -1], [1, 2, 3], [[1], [2, 3]], ["a", "b"], np.zeros((2, 40))])
def test_targets_that_are_no_classes_are_told(targets: Any) -> None:
    dataset = Items(IMAGES[0], IMAGES[1])
    dataset.targets = targets  # type: ignore[attr-defined]
    source = DatasetSource(dataset)
    assert (source.labels, source.left_out) == (None, {"labels that are no classes": 2})


def test_the_targets_of_a_data_set_are_its_labels() -> None:
    dataset = Items((IMAGES[0], 4), (IMAGES[1], 2))
    dataset.targets = [4, 2]  # type: ignore[attr-defined]
    labels = DatasetSource(dataset).labels
    assert labels is not None
    assert labels.tolist() == [4, 2]


def test_float_items_of_one_axis_are_points() -> None:
    points = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    assert np.array_equal(rows(DatasetSource(Items(*points))), points)


def test_float_images_in_a_data_set_need_a_range() -> None:
    with pytest.raises(InputError, match=r"Items item 0 .*declare it with DatasetSource"):
        rows(DatasetSource(Items(*(IMAGES / 255))))
    assert np.array_equal(rows(DatasetSource(Items(*(IMAGES / 255)), range="0..1")), IMAGES)


def test_an_error_names_an_item_that_is_not_an_image() -> None:
    with pytest.raises(InputError, match="Items item 1 is of type dict"):
        rows(DatasetSource(Items(IMAGES[0], {"image": 1})))


def test_items_that_raise_are_named_in_an_error_or_skipped() -> None:
    dataset = Items(IMAGES[0], OSError("disk on fire"), *IMAGES[2:6], ValueError("bad"))
    with pytest.raises(
        InputError, match=r"2 images of 7.*item 1 \(OSError: disk on fire\), item 6 \(ValueError: bad\)"
    ):
        list(DatasetSource(dataset).batches(2))
    source = DatasetSource(dataset)
    source.skip_corrupt = True
    assert np.array_equal(rows(source), IMAGES[[0, 2, 3, 4, 5]])


def test_items_are_fetched_in_order() -> None:
    rows_read: list[int] = []

    class Watched(Items):
        def __getitem__(self, row: int) -> Any:
            time.sleep(0.01 * (row % 2 == 0))  # a second thread would overtake
            rows_read.append(row)
            return super().__getitem__(row)

    rows(DatasetSource(Watched(*IMAGES)), 2)
    assert rows_read == list(range(7))


class Silent(Exception):
    """An exception whose text cannot be computed."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((), "item 0 is of type NoneType"),
        (((),), "item 0 is of type tuple"),
        ("text", "item 0 is of type str"),
        (np.array(["text"]), "expected"),
        (np.array(None), "Python objects"),
        (np.array(3), "item 0 has shape"),
        (torch.eye(4).to_sparse(), "cannot be read as numbers"),
        (Silent(), r"item 0 \(Silent\)"),
    ],
)
def test_odd_items_are_refused_in_one_sentence(item: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(DatasetSource(Items(item)))


def test_an_empty_data_set_is_refused() -> None:
    with pytest.raises(InputError, match="no samples"):
        DatasetSource(Items())


def test_points_whose_differences_float32_loses_are_refused() -> None:
    points = np.random.default_rng(0).standard_normal((64, 2))
    with pytest.raises(InputError, match=r"coordinate 1 is near 1e[+]08 and varies by .*, which float32 cannot tell"):
        rows(ArraySource(points + np.array([0.0, 1e8])))
    # float32 points are what they are, and constants and small offsets lose nothing
    for kept in (np.float32(points + 1e8), points + 1e3, np.full((64, 2), 1e8 + 0.1)):
        rows(ArraySource(kept))
