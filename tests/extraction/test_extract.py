"""The one pass from a Source through an Extractor to Features."""

from __future__ import annotations

import multiprocessing
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.derived_sources import subset
from genbench.distributed import Ranks
from genbench.errors import InputError, PlugError
from genbench.extraction.block_facts import BlockFacts
from genbench.extraction.extract import BLOCK_ROWS, Extraction, extract, extract_all
from genbench.extraction.feature_store import Block, Store
from genbench.files import fingerprints
from genbench.plugs.contracts import Batch
from genbench.sources.array_files import Npy
from genbench.sources.folder import Folder
from genbench.sources.memory import ArraySource
from genbench.sources.zip_archive import Zip


@dataclass
class Images:
    """Random images; ``sizes`` are their side lengths in turn, and the rows in ``drop`` are left out."""

    count: int = 600
    seed: int = 0
    sizes: tuple[int, ...] = (4,)
    drop: tuple[int, ...] = ()
    skip_corrupt: bool = False
    name: str = "images"
    read: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return self.count

    @property
    def labels(self) -> np.ndarray:
        return np.arange(self.count) % 7

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        stop = self.count if stop is None else stop
        for first in range(start, stop, size):
            index = [row for row in range(first, min(first + size, stop)) if row not in self.drop]
            self.read += index
            data = [self.image(row) for row in index]
            whole = torch.stack(data) if len(self.sizes) == 1 and data else data
            left_out = {"further frames": 1} if len(self.sizes) > 1 else {}
            yield Batch(torch.tensor(index, dtype=torch.int64), whole, None, left_out)

    def image(self, row: int) -> torch.Tensor:
        side = self.sizes[row % len(self.sizes)]
        return torch.from_numpy(np.random.default_rng([self.seed, row]).integers(0, 256, (3, side, side), np.uint8))


@dataclass
class Means:
    """The mean colour of an image; counts the samples and can be interrupted after ``dies_after`` of them."""

    name: str = "means"
    identity: str = "means@1"
    count: int = 0
    dies_after: int | None = None

    def __call__(self, data: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.dies_after is not None and self.count >= self.dies_after:
            raise KeyboardInterrupt
        self.count += len(data)
        return {"embedding": data.float().mean(dim=(2, 3)), "mode": data.sum(dim=(1, 2, 3)) % 5}


class Rows:
    """Points as they are."""

    name, identity = "rows", ""

    def __call__(self, data: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"embedding": data}


def rows(source: Images, **options: object) -> np.ndarray:
    return extract(source, Means(), Extraction(**options))["embedding"]  # type: ignore[arg-type]


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    assert np.array_equal(rows(Images(), batch_size=batch_size), rows(Images()))


def test_images_of_different_sizes_keep_their_order() -> None:
    source = Images(count=50, sizes=(4, 6, 5))
    expected = np.stack([source.image(row).float().mean(dim=(1, 2)).numpy() for row in range(50)])
    assert np.allclose(rows(source), expected)


def test_a_second_run_reads_the_store_and_calls_no_extractor(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = extract(Images(), Means(), Extraction(store))
    again = Means()
    second = extract(Images(), again, Extraction(store))
    assert again.count == 0
    assert first.fingerprint == second.fingerprint
    assert np.array_equal(first["embedding"], second["embedding"])


def test_a_killed_run_resumes_and_gives_the_same_features(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        extract(Images(), Means(dies_after=2 * BLOCK_ROWS), Extraction(store))
    again = Means()
    resumed = extract(Images(), again, Extraction(store))
    assert again.count == 600 - 2 * BLOCK_ROWS
    assert np.array_equal(resumed["embedding"], rows(Images()))


def test_after_a_change_of_one_sample_only_its_block_is_computed_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    extract(Images(), Means(), Extraction(store))
    again = Means()
    changed = Images()
    image = changed.image
    changed.image = lambda row: image(row) if row else image(row) ^ 1  # type: ignore[method-assign]
    extract(changed, again, Extraction(store))
    assert again.count == BLOCK_ROWS


def test_several_extractors_share_one_pass_and_give_the_features_of_separate_passes(tmp_path: Path) -> None:
    store, source = Store(tmp_path), Images()
    extract(Images(count=BLOCK_ROWS), Means("a", "a@1"), Extraction(store))
    extractors = [Means("a", "a@1"), Means("b", "b@1"), Means("c", "")]
    results = extract_all(source, extractors, Extraction(store))
    assert source.read.count(599) == 1
    assert [extractor.count for extractor in extractors] == [600 - BLOCK_ROWS, 600, 600]
    assert all(np.array_equal(features["embedding"], rows(Images())) for features in results)
    assert len({features.fingerprint for features in results}) == 1


def test_features_of_an_extractor_without_identity_are_not_stored(tmp_path: Path) -> None:
    extract(Images(), Means(identity=""), Extraction(Store(tmp_path)))
    assert not list(tmp_path.iterdir())


def _extract_into(root: Path) -> None:
    extract(Images(), Means(), Extraction(Store(root)))


def test_two_processes_can_write_to_the_store_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_extract_into, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    again = Means()
    features = extract(Images(), again, Extraction(Store(tmp_path)))
    assert again.count == 0
    assert np.array_equal(features["embedding"], rows(Images()))


def test_skipped_samples_are_counted_and_labels_stay_with_their_rows(tmp_path: Path) -> None:
    source = Images(drop=(3, 300), skip_corrupt=True)
    for _ in range(2):  # the second time from the store
        features = extract(source, Means(), Extraction(Store(tmp_path)))
        assert (len(features), features.skipped) == (598, 2)
        assert features.label is not None
        assert features.label[3] == 4 % 7
        assert features.views == ("embedding", "mode")


def test_features_know_hashes_levels_and_what_is_left_out_also_from_the_store(tmp_path: Path) -> None:
    source = Images(drop=(3,), skip_corrupt=True, sizes=(4, 6))
    source.left_out, source.class_names = {"hidden files": 2}, list("abcdefg")  # type: ignore[attr-defined]
    first, second = (extract(source, Means(), Extraction(Store(tmp_path))) for _ in range(2))
    whole = np.concatenate([source.image(row).flatten().numpy() for row in range(600) if row != 3])
    for features in (first, second):
        assert features.hashes is not None
        assert len(np.unique(features.hashes)) == 599
        assert features.levels == (whole.min(), whole.max())
        assert features.left_out == {"hidden files": 2, "further frames": 600 // 32 + 1}
        assert features.class_names == tuple("abcdefg")
    assert np.array_equal(first.hashes, second.hashes)  # type: ignore[arg-type]


def test_a_subset_keeps_class_names_and_what_is_left_out() -> None:
    source = Images(count=20, sizes=(4, 6))
    source.left_out, source.class_names = {"hidden files": 2}, list("abcdefg")  # type: ignore[attr-defined]
    features = extract(subset(source, 19, seed=0), Means())
    assert features.class_names == tuple("abcdefg")
    assert features.left_out == {"hidden files": 2, "further frames": 1}


def test_equal_samples_have_equal_hashes_whatever_their_place_batch_and_source() -> None:
    images = np.stack([Images().image(row).numpy() for row in (0, 1, 2, 1)])
    stacked = extract(ArraySource(images), Means(), Extraction(batch_size=3)).hashes
    listed = extract(Images(count=300), Means()).hashes
    assert stacked is not None
    assert listed is not None
    assert stacked.tolist() == [*listed[:3].tolist(), listed[1]]


def test_equal_bytes_of_another_shape_or_dtype_have_another_hash() -> None:
    facts = BlockFacts()
    pixels = torch.arange(24, dtype=torch.uint8)
    for data in (pixels.reshape(1, 3, 2, 4), pixels.reshape(1, 3, 4, 2), pixels.view(torch.float32)[None]):
        facts.add(Batch(torch.tensor([0]), data))
    assert len(set(facts.hashes)) == 3
    assert facts.levels == (0, 23)


def test_points_have_no_levels() -> None:
    points = np.random.default_rng(0).standard_normal((10, 2)).astype(np.float32)
    assert extract(ArraySource(points), Rows()).levels is None


def test_a_flipped_bit_in_the_store_is_computed_again(tmp_path: Path) -> None:
    expected = extract(Images(), Means(), Extraction(Store(tmp_path)))["embedding"]
    path = next(tmp_path.glob("features/*/??/*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-2] ^= 64
    path.write_bytes(content)
    again = Means()
    assert np.array_equal(extract(Images(), again, Extraction(Store(tmp_path)))["embedding"], expected)
    assert again.count in (BLOCK_ROWS, 600 - 2 * BLOCK_ROWS)


def test_a_block_with_another_number_of_rows_is_computed_again(tmp_path: Path) -> None:
    source = Images(count=100)
    source.digest = lambda start, stop: "abcd"  # type: ignore[attr-defined]
    Store(tmp_path).put("means@1", "abcd", Block({"embedding": np.zeros((99, 3), np.float32)}))
    assert np.array_equal(rows(source, store=Store(tmp_path)), rows(source))


def test_a_block_that_lacks_corrupt_samples_is_computed_again_without_skip_corrupt(tmp_path: Path) -> None:
    extract(Images(drop=(3,), skip_corrupt=True), Means(), Extraction(Store(tmp_path)))
    strict = Images(drop=(3,))
    extract(strict, Means(), Extraction(Store(tmp_path)))
    assert 0 in strict.read


def test_a_subset_is_seeded_without_repeats_and_in_order() -> None:
    source = Images()
    chosen = subset(source, 100, seed=1)
    index = np.concatenate([batch.index for batch in chosen.batches(32)])
    assert index.tolist() == list(range(100))
    embedding = rows(chosen)  # type: ignore[arg-type]
    whole = rows(source)
    places = [int(np.flatnonzero((whole == row).all(axis=1))[0]) for row in embedding]
    assert places == sorted(set(places))
    assert np.array_equal(embedding, rows(subset(source, 100, seed=1)))  # type: ignore[arg-type]
    assert not np.array_equal(embedding, rows(subset(source, 100, seed=2)))  # type: ignore[arg-type]


def test_a_subset_larger_than_the_source_is_an_error() -> None:
    with pytest.raises(InputError, match="holds 600 samples, but 601 are asked for"):
        subset(Images(), 601, seed=0)


def test_an_empty_source_is_an_error() -> None:
    with pytest.raises(InputError, match="holds no samples"):
        extract(Images(count=0), Means())


def test_an_error_names_an_extractor_that_raises() -> None:
    def broken(data: torch.Tensor) -> dict[str, torch.Tensor]:
        raise ValueError("no such layer")

    extractor = Means()
    extractor.__class__ = type("Broken", (Means,), {"__call__": lambda self, data: broken(data)})
    with pytest.raises(PlugError, match=r"'means' raised ValueError: no such layer at .*test_extract.py"):
        extract(Images(), extractor)


@pytest.mark.parametrize(
    ("views", "complaint"),
    [
        ({"embedding": torch.zeros(1, 3)}, "for 32 samples"),
        ({"embedding": torch.full((32, 3), torch.nan)}, "NaN or infinity"),
    ],
)
def test_an_error_names_an_extractor_that_breaks_its_contract(views: dict[str, torch.Tensor], complaint: str) -> None:
    extractor = Means()
    extractor.__class__ = type("Broken", (Means,), {"__call__": lambda self, data: views})
    with pytest.raises(PlugError, match=complaint):
        extract(Images(count=32), extractor)


def test_an_extractor_that_changes_its_width_is_named() -> None:
    extractor = Means()
    widths = iter([3, 3, 4])
    call = {"__call__": lambda self, data: {"embedding": torch.zeros(len(data), next(widths))}}
    extractor.__class__ = type("Broken", (Means,), call)
    with pytest.raises(PlugError, match=r"'means' gave .* embedding \[n, 3\] and then embedding \[n, 4\]"):
        extract(Images(count=96), extractor)


def change_while_decoding(source: Any, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Change the file of a source after its hash is known and before it is decoded."""
    batches = source.batches

    def changed(size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        change()
        yield from batches(size, start, stop)

    monkeypatch.setattr(source, "batches", changed)


@pytest.mark.parametrize("young", [True, False])
def test_an_image_that_changes_between_hashing_and_decoding_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, young: bool
) -> None:
    monkeypatch.setattr(fingerprints, "SETTLED_NS", 10**18 if young else -1)
    folder, store = tmp_path / "images", Store(tmp_path / "store")
    folder.mkdir()
    black, white = (Image.new("RGB", (4, 4), color) for color in ("black", "white"))
    black.save(folder / "x.bmp")
    source = Folder(folder)
    change_while_decoding(source, monkeypatch, lambda: white.save(folder / "x.bmp"))
    with pytest.raises(InputError, match="images changed while samples 0 to 0 were read"):
        extract(source, Means(), Extraction(store))
    # the black image still has its own features
    black.save(folder / "x.bmp")
    assert extract(Folder(folder), Means(), Extraction(store))["embedding"].tolist() == [[0, 0, 0]]


def test_an_array_file_that_changes_between_hashing_and_decoding_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = tmp_path / "x.npy", Store(tmp_path / "store")
    black = np.zeros((5, 4, 4, 3), np.uint8)
    np.save(path, black)
    source = Npy(path)

    def whiten() -> None:
        with path.open("r+b") as file:
            file.seek(-black.nbytes, 2)
            file.write(bytes([255]) * black.nbytes)

    change_while_decoding(source, monkeypatch, whiten)
    with pytest.raises(InputError, match="changed while samples 0 to 4 were read"):
        extract(source, Means(), Extraction(store))
    np.save(path, black)
    assert not extract(Npy(path), Means(), Extraction(store))["embedding"].any()


@pytest.mark.usefixtures("settled")
def test_an_archive_that_is_replaced_while_it_is_open_does_not_lend_its_hash(tmp_path: Path) -> None:
    def archive(name: str, color: str) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w") as file, file.open("x.bmp", "w") as member:
            Image.new("RGB", (4, 4), color).save(member, "BMP")
        return tmp_path / name

    store = Store(tmp_path / "store")
    opened = Zip(archive("x.zip", "black"))
    archive("other.zip", "white").replace(tmp_path / "x.zip")
    assert extract(opened, Means(), Extraction(store))["embedding"].tolist() == [[0, 0, 0]]
    assert extract(Zip(tmp_path / "x.zip"), Means(), Extraction(store))["embedding"].tolist() == [[255, 255, 255]]


@pytest.mark.usefixtures("settled")
def test_files_whose_times_change_but_not_their_contents_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((5, 4, 4, 3), np.uint8))
    source = Npy(tmp_path / "x.npy")
    change_while_decoding(source, monkeypatch, lambda: (tmp_path / "x.npy").chmod(0o600))
    assert len(extract(source, Means(), Extraction(Store(tmp_path / "store")))) == 5


def test_a_store_that_cannot_be_written_is_gone_without_after_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "cache")
    for _ in range(2):
        features = extract(Images(), Means(), Extraction(store, progress=True))
        assert np.array_equal(features["embedding"], rows(Images()))
        assert features.moments().count == 600
    assert capsys.readouterr().out.count("features are kept in memory only") == 1


def test_derived_arrays_of_a_store_that_cannot_be_written_are_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    derived = Store(tmp_path / "file").derived("net@1", "content")
    derived["moments"] = {"mean": np.ones(3)}
    assert derived["moments"]["mean"].tolist() == [1, 1, 1]


def test_several_processes_need_a_store_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        extract(Images(), Means(), Extraction(Store(tmp_path / "file"), ranks=Ranks(0, 2, None)))
