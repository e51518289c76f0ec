"""The data sets of torchvision by name; nothing is downloaded unless the user asks for it."""

from __future__ import annotations

import gzip
import os
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError, UsageError, described, did_you_mean
from genbench.sources.folder import Files
from genbench.sources.memory import ArraySource

SubSplits = dict[str, tuple[str, slice]]
"""Maps the name of a subset of an official split to the split and the rows of the subset."""

# the subsets for training and model selection, always in the order of the files
TRAIN_60K: SubSplits = {"fit": ("train", slice(0, 50_000)), "validation": ("train", slice(50_000, None))}
T10K: SubSplits = {
    "t10k-train": ("test", slice(0, 6_000)),
    "t10k-fit": ("test", slice(0, 5_000)),
    "t10k-validation": ("test", slice(5_000, 6_000)),
    "t10k-test": ("test", slice(6_000, None)),
}
CIFAR: SubSplits = {"fit": ("train", slice(0, 45_000)), "validation": ("train", slice(45_000, None))}


DIGIT_NAMES = tuple("0123456789")
FASHION_NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def mnist(split: str = "test", root: str | None = None, download: bool = False) -> ArraySource:
    """Return MNIST (LeCun et al. 1998): 60,000 train or 10,000 test images, gray replicated, [N, 3, 28, 28].

    ``fit`` and ``validation`` are the first 50,000 and the last 10,000 images of train. The 10,000 images of the test
    file are split again: genbench's own classifier was trained on ``t10k-train``, the first 6,000, which consist of
    ``t10k-fit`` (5,000) and ``t10k-validation`` (1,000); ``t10k-test`` holds the other 4,000. Raises UsageError for an
    unknown split, InputError if ``root``/MNIST/raw does not hold the files.
    """
    return _mnist_like("mnist", "MNIST", split, root, download, {**TRAIN_60K, **T10K})


def fashion_mnist(split: str = "test", root: str | None = None, download: bool = False) -> ArraySource:
    """Return Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747), like ``mnist``, from ``root``/FashionMNIST/raw."""
    return _mnist_like("fashion-mnist", "FashionMNIST", split, root, download, TRAIN_60K)


def cifar10(split: str = "test", root: str | None = None, download: bool = False) -> ArraySource:
    """Return CIFAR-10 (Krizhevsky 2009): 50,000 train or 10,000 test images, [N, 3, 32, 32].

    ``fit`` and ``validation`` are the first 45,000 and the last 5,000 images of train.
    """
    return _cifar("cifar10", "CIFAR10", split, root, download)


def cifar100(split: str = "test", root: str | None = None, download: bool = False) -> ArraySource:
    """Return CIFAR-100 (Krizhevsky 2009), like ``cifar10``, with 100 classes."""
    return _cifar("cifar100", "CIFAR100", split, root, download)


def svhn(split: str = "test", root: str | None = None, download: bool = False) -> ArraySource:
    """Return SVHN's cropped digits (Netzer et al. 2011), [N, 3, 32, 32]; splits train, test, extra."""
    _check_split("svhn", split, ("train", "test", "extra"))
    # torchvision has replaced the label 10 of SVHN by 0
    dataset = _torchvision("svhn", "SVHN", root, download, split=split)
    return _with_names(ArraySource(dataset.data, labels=dataset.labels, name=f"svhn,split={split}"), DIGIT_NAMES)


def stl10(split: str = "test", root: str | None = None, download: bool = False) -> ArraySource:
    """Return STL-10 (Coates et al. 2011), [N, 3, 96, 96]; splits train, test, unlabeled, train+unlabeled."""
    _check_split("stl10", split, ("train", "test", "unlabeled", "train+unlabeled"))
    dataset = _torchvision("stl10", "STL10", root, download, split=split)
    # the unlabeled images have the label -1
    labels = None if "unlabeled" in split else dataset.labels
    return _with_names(ArraySource(dataset.data, labels=labels, name=f"stl10,split={split}"), dataset.classes)


def celeba(split: str = "test", root: str | None = None, download: bool = False) -> Files:
    """Return CelebA's aligned faces (Liu et al. 2015, arXiv 1411.7766), [3, 218, 178]; splits train, valid, test, all.

    The faces have forty attributes but no class, so the source has no labels.
    """
    _check_split("celeba", split, ("train", "valid", "test", "all"))
    dataset = _torchvision("celeba", "CelebA", root, download, split=split)
    # read the image files directly instead of through torchvision, so their bytes can be hashed
    folder = Path(dataset.root) / dataset.base_folder / "img_align_celeba"
    return Files(f"celeba,split={split}", list(dataset.filename), root=folder)


def data_root(root: str | None) -> Path:
    """Return the folder of the data sets: ``root``, or else ``$GENBENCH_DATA``, or else ``data``."""
    return Path(root or os.environ.get("GENBENCH_DATA") or "data").expanduser()


def _check_split(name: str, split: str, known: Sequence[str]) -> None:
    if split not in known:
        raise UsageError(f"{name} has no split {split!r}{did_you_mean(str(split), known)}")


def _cifar(name: str, kind: str, split: str, root: str | None, download: bool) -> ArraySource:
    _check_split(name, split, ("train", "test", *CIFAR))
    # a subset is cut from the official split
    official, rows = CIFAR.get(split, (split, slice(None)))
    dataset = _torchvision(name, kind, root, download, train=official == "train")
    source = ArraySource(dataset.data[rows], labels=dataset.targets[rows], name=f"{name},split={split}")
    return _with_names(source, dataset.classes)


def _with_names(source: ArraySource, names: Sequence[str] | None) -> ArraySource:
    # only names of all classes are of use
    if names and source.labels is not None and len(names) > source.labels.max():
        source.class_names = tuple(names)
    return source


def _torchvision(name: str, kind: str, root: str | None, download: bool, **options: Any) -> Any:
    # the import of torchvision is slow, so it is delayed until it is needed
    from torchvision import datasets

    make = getattr(datasets, kind)
    return _read_data_set(name, root, download, lambda folder: make(folder, download=download, **options))


def _read_data_set(name: str, root: str | None, download: bool, read: Callable[[Path], Any]) -> Any:
    folder = data_root(root)
    try:
        # torchvision prints messages, but stdout is for the scores
        with redirect_stdout(sys.stderr):
            return read(folder)
    except (RuntimeError, OSError) as error:  # torchvision raises these for missing, damaged and unreachable files
        # the remedy depends on whether a download was tried
        if download:
            raise InputError(
                f"{name} could not be downloaded to {folder} ({described(error)}); copy it there, or name a "
                "folder that has it with root=."
            ) from error
        raise InputError(
            f"{name} is missing or incomplete in {folder}; name the folder that has it with "
            f"{name},root=FOLDER (or GENBENCH_DATA), or download it with {name},download=true."
        ) from error


def _mnist_like(
    name: str, kind: str, split: str, root: str | None, download: bool, sub_splits: SubSplits
) -> ArraySource:
    """Read files in the format of MNIST. torchvision needs four unpacked files, but two packed ones are enough here."""
    _check_split(name, split, ("train", "test", *sub_splits))
    # a subset is cut from the official split
    official, rows = sub_splits.get(split, (split, slice(None)))
    # let torchvision download and verify the files
    if download:
        _torchvision(name, kind, root, True)
    # the names of the files start with the name of the split
    stem = "train" if official == "train" else "t10k"

    def read(folder: Path) -> tuple[Array, Array]:
        raw = folder / kind / "raw"
        return _read_idx(raw / f"{stem}-images-idx3-ubyte"), _read_idx(raw / f"{stem}-labels-idx1-ubyte")

    images, labels = _read_data_set(name, root, download, read)
    source = ArraySource(images[rows, ..., None], labels=labels[rows], name=f"{name},split={split}")
    return _with_names(source, FASHION_NAMES if name == "fashion-mnist" else DIGIT_NAMES)


def _read_idx(path: Path) -> Array:
    # the IDX format: two zero bytes, the dtype (8 for uint8), the number of axes, the size of each axis, the data
    packed = path.with_name(f"{path.name}.gz")
    try:
        data = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
        # the header states the shape
        zeros, kind, axes = struct.unpack(">HBB", data[:4])
        shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
        if (zeros, kind) != (0, 8):
            raise ValueError("it does not begin like an IDX file of bytes")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (ValueError, struct.error, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged ({error}); remove it and download it again.") from error
