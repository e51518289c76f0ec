"""Stacked digits: the source, the extractor, and the scores of a perfect sampler of 1,000 modes."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import genbench
from genbench.errors import UsageError
from genbench.plugs import registry

COUNT = 6000


def rows(source: object) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(512)])  # type: ignore[attr-defined]


def test_each_channel_is_a_digit_of_the_split_and_the_class_contains_all_three() -> None:
    stacked, base = (
        registry.load("sources", name) for name in ("stacked-digits,split=test,count=50", "digits,split=test")
    )
    classes = {image[0].tobytes(): int(label) for image, label in zip(rows(base), base.labels, strict=True)}
    for image, label in zip(rows(stacked), stacked.labels, strict=True):
        red, green, blue = (classes[image[channel].tobytes()] for channel in range(3))
        assert label == 100 * red + 10 * green + blue


def test_the_stacks_depend_on_the_seed_only() -> None:
    first, again, other = (rows(registry.load("sources", f"stacked-digits,count=9,seed={seed}")) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_splits_of_stacks_share_no_digit() -> None:
    def digits(split: str) -> set[bytes]:
        images = rows(registry.load("sources", f"stacked-digits,split={split},count=3000"))
        return {channel.tobytes() for image in images for channel in image}

    # two of the 1,797 images may be equal to the bit, so the sets are compared with those of the digits themselves
    base = {
        split: {i[0].tobytes() for i in rows(registry.load("sources", f"digits,split={split}"))}
        for split in ("fit", "test")
    }
    assert digits("fit") & digits("test") <= base["fit"] & base["test"]


def test_the_extractor_recognises_the_classes_of_real_stacks() -> None:
    source = registry.load("sources", "stacked-digits,split=test,count=2000")
    extractor = registry.load("extractors", "stacked-digits")
    batch = next(iter(source.batches(2000)))
    views = extractor(torch.from_numpy(batch.data))
    assert views["embedding"].shape == (2000, 192)
    assert (views["mode"].numpy() == batch.label).mean() > 0.97
    assert extractor.modes == 1000
    assert (extractor.class_names[0], extractor.class_names[407]) == ("000", "407")
    assert bool(views["quality"].all())


def test_the_embedding_of_a_stack_is_that_of_its_three_digits() -> None:
    source = registry.load("sources", "stacked-digits,count=5")
    images = torch.from_numpy(next(iter(source.batches(5))).data)
    stacked, single = registry.load("extractors", "stacked-digits"), registry.load("extractors", "digits")
    each = [single(images[:, channel : channel + 1].expand(-1, 3, -1, -1))["embedding"] for channel in range(3)]
    torch.testing.assert_close(stacked(images)["embedding"], torch.cat(each, dim=1))


def test_real_stacks_cover_as_many_modes_as_a_perfect_sampler() -> None:
    result = genbench.score(
        f"stacked-digits,split=train,count={COUNT}",
        reference="stacked-digits,split=test,count=100",
        features="stacked-digits",
        metrics="modes,target=uniform",
    )
    modes, kl = result["modes@stacked-digits"], result["mode_kl@stacked-digits"]
    assert modes.detail["expected"] == pytest.approx(1000 * (1 - 0.999**COUNT), abs=0.5)
    assert abs(modes.value - modes.detail["expected"]) <= 5
    assert kl.value == pytest.approx(999 / (2 * COUNT), rel=0.25)


def test_a_count_of_0_is_rejected() -> None:
    with pytest.raises(UsageError, match="count of 1 or more"):
        registry.load("sources", "stacked-digits,count=0")


def test_stacked_mnist_reads_the_files_of_mnist(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((10, 28, 28), np.uint8)
    for name, array in (("train-images-idx3", images), ("train-labels-idx1", np.arange(10, dtype=np.uint8))):
        head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (raw / f"{name}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    source = registry.load("sources", f"stacked-mnist,split=train,count=40,root={tmp_path}")
    stacks = rows(source)
    assert stacks.shape == (40, 3, 28, 28)
    assert (stacks[:, :, 0, 0] @ np.array([100, 10, 1]) == source.labels).all()
