"""The data sets by name: the digits of scikit-learn, and the data sets of torchvision."""

from __future__ import annotations

import gzip
import pickle
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genbench.errors import InputError, UsageError
from genbench.plugs import registry
from genbench.sources.datasets import celeba, cifar10, cifar100, mnist, stl10, svhn

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def _nothing_of_this_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GENBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def all_rows(source: Any) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(512)])


# digits


def test_digits_are_all_1797_with_levels_0_to_255() -> None:
    source = registry.load("sources", "digits")
    images = all_rows(source)
    assert source.name == "digits,split=all"
    assert images.shape == (1797, 3, 8, 8)
    assert np.array_equal(np.unique(images), np.rint(np.arange(17) * 255 / 16))
    assert np.bincount(source.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_classes_of_digits_and_their_stacks_have_names() -> None:
    assert registry.load("sources", "digits").class_names == tuple("0123456789")
    names = registry.load("sources", "stacked-digits,count=9").class_names
    assert (len(names), names[:2], names[-1]) == (1000, ("000", "001"), "999")


def test_the_halves_of_digits_are_disjoint_and_stratified() -> None:
    train, test, both = (registry.load("sources", f"digits,split={split}") for split in ("train", "test", "all"))
    assert (len(train), len(test)) == (898, 899)
    assert abs(np.bincount(train.labels) - np.bincount(test.labels)).max() <= 1
    parts = np.concatenate([all_rows(train), all_rows(test)])
    assert sorted(map(bytes, parts)) == sorted(map(bytes, all_rows(both)))


def test_an_unknown_split_is_refused() -> None:
    for name in ("digits", "mnist", "cifar10", "svhn", "stl10", "celeba"):
        with pytest.raises(UsageError, match=rf"{name} has no split 'tset', did you mean 'test'\?"):
            registry.load("sources", f"{name},split=tset")
    with pytest.raises(UsageError, match="no split '1'"):
        registry.load("sources", "digits,split=1")


# torchvision


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100", "svhn", "stl10", "celeba"])
def test_the_error_for_a_missing_data_set_shows_the_remedy(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        InputError, match=rf"{name} is missing or incomplete in data; .*{name},root=FOLDER.*{name},download=true"
    ):
        registry.load("sources", name)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["mnist", "cifar10", "svhn"])
def test_a_failed_download_is_an_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=f"{name} could not be downloaded to data"):
        registry.load("sources", f"{name},download=true")
    assert capsys.readouterr().out == ""


def test_an_environment_variable_can_set_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path / "sets"))
    with pytest.raises(InputError, match=r"is missing or incomplete in .*sets"):
        mnist()


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape) + values.tobytes()


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_files_are_read_packed_or_not(tmp_path: Path, name: str, folder: str, packed: bool) -> None:
    raw = tmp_path / "root" / folder / "raw"
    raw.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    for stem, values in (("images-idx3", images), ("labels-idx1", np.array([5, 0, 4], np.uint8))):
        data = idx(values)
        end, data = (".gz", gzip.compress(data)) if packed else ("", data)
        (raw / f"train-{stem}-ubyte{end}").write_bytes(data)
    source = registry.load("sources", f"{name},split=train,root={tmp_path / 'root'}")
    assert source.name == f"{name},split=train"
    assert source.labels.tolist() == [5, 0, 4]
    assert np.array_equal(all_rows(source), np.stack([images] * 3, axis=1))


@pytest.mark.parametrize("data", [b"", b"\0\0\x0d\x01\0\0\0\1\0\0\0\0", idx(np.zeros((2, 28, 28), np.uint8))[:-5]])
def test_an_error_names_a_damaged_mnist_file(tmp_path: Path, data: bytes) -> None:
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "t10k-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(InputError, match="t10k-images-idx3-ubyte is damaged"):
        mnist()


def test_mnist_test_images_are_the_official_ten_thousand() -> None:
    if not (DATA / "MNIST").exists():
        pytest.skip("no shared data")
    source = mnist(root=str(DATA))
    assert len(source) == 10_000
    assert source.labels is not None
    assert np.bincount(source.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    images = all_rows(source)
    assert images.shape == (10_000, 3, 28, 28)
    assert images[:, 0].mean() / 255 == pytest.approx(0.1325, abs=1e-4)


def fake_integrity(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Skip the checksum test of torchvision, so that small test files are accepted."""
    monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda path, *_: Path(path).exists())


def test_cifar10_is_read_in_its_own_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_integrity(monkeypatch, "cifar")
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    flat = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": flat, "labels": [3, 1, 2, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcd")}))
    source = cifar10()
    assert source.labels is not None
    assert source.labels.tolist() == [3, 1, 2, 0]
    assert np.array_equal(all_rows(source), flat.reshape(4, 3, 32, 32))
    assert len(cifar10(split="train")) == 20
    assert source.class_names == ("a", "b", "c", "d")


def test_cifar100_is_read_with_its_fine_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_integrity(monkeypatch, "cifar")
    folder = tmp_path / "data" / "cifar-100-python"
    folder.mkdir(parents=True)
    entry = {"data": np.zeros((2, 3072), np.uint8), "fine_labels": [99, 5], "coarse_labels": [1, 2]}
    for name in ("train", "test"):
        (folder / name).write_bytes(pickle.dumps(entry))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": list("ab")}))
    assert cifar100().class_names is None  # two names are too few for class 99
    labels = cifar100().labels
    assert labels is not None
    assert labels.tolist() == [99, 5]


def test_svhn_is_read_with_zero_as_class_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    fake_integrity(monkeypatch, "svhn")
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    (tmp_path / "data").mkdir()
    savemat(tmp_path / "data" / "test_32x32.mat", {"X": images, "y": np.array([[10], [1], [2], [10]], np.uint8)})
    source = svhn()
    assert source.labels is not None
    assert source.labels.tolist() == [0, 1, 2, 0]
    assert np.array_equal(all_rows(source), images.transpose(3, 2, 0, 1))


def test_stl10_is_read_and_its_unlabeled_part_has_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_integrity(monkeypatch, "stl10")
    folder = tmp_path / "data" / "stl10_binary"
    folder.mkdir(parents=True)
    stored = np.random.default_rng(0).integers(0, 256, (2, 3, 96, 96), dtype=np.uint8)
    for name in ("train_X", "test_X", "unlabeled_X"):
        (folder / f"{name}.bin").write_bytes(stored.tobytes())
    for name in ("train_y", "test_y"):
        (folder / f"{name}.bin").write_bytes(bytes([1, 10]))
    (folder / "class_names.txt").write_text("a\nb\n")
    source = stl10()
    assert source.labels is not None
    assert source.labels.tolist() == [0, 9]
    assert np.array_equal(all_rows(source), stored.transpose(0, 1, 3, 2))  # STL-10 keeps columns first
    assert stl10(split="unlabeled").labels is None


def test_celeba_holds_the_files_of_a_split_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.CelebA._check_integrity", lambda _: True)
    folder = tmp_path / "data" / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i:06}.jpg" for i in range(1, 4)]
    for level, name in enumerate(names):
        Image.new("RGB", (178, 218), (level * 50, 0, 0)).save(folder / "img_align_celeba" / name)
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{n} {p}\n" for n, p in zip(names, (2, 0, 2), strict=True))
    )
    (folder / "identity_CelebA.txt").write_text("".join(f"{name} 1\n" for name in names))
    for name in ("list_bbox_celeba", "list_landmarks_align_celeba", "list_attr_celeba"):
        (folder / f"{name}.txt").write_text("3\na b\n" + "".join(f"{name} 1 -1\n" for name in names))
    source = celeba()
    assert source.files == ("000001.jpg", "000003.jpg")
    assert len(celeba(split="all")) == 3
    batch = next(source.batches(2))
    assert not isinstance(batch.data, list)
    assert batch.data.shape == (2, 3, 218, 178)
    assert abs(int(batch.data[1, 0, 0, 0]) - 100) <= 3
    assert len(source.digest(0, 2)) == 64
