"""A reference ``stats:NAME`` chooses its extractor, refuses others, and is recorded."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genbench import Watcher, score
from genbench.errors import UsageError
from genbench.features.moments import Moments
from genbench.features.published_statistics import PUBLISHED_STATISTICS, NamedStatistics
from genbench.features.statistics_registry import add_statistics
from genbench.files.fingerprints import file_hash
from genbench.results import Result, read_results
from genbench.scoring import named_reference
from genbench.scoring.named_reference import NamedReference, open_named_reference
from genbench.scoring.options import Options

SIZE = 4
EXTRACTOR = f"pixels,size={SIZE}"


def images(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def write_statistics_of(path: Path, real: np.ndarray[Any, Any], **more: Any) -> Path:
    """Write mean and covariance of the pixels of images, as another tool would."""
    rows = real.transpose(0, 3, 1, 2).reshape(len(real), -1) / 255.0
    np.savez(path, mu=rows.mean(axis=0), sigma=np.cov(rows, rowvar=False), **more)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Statistics of pixels that have the name "mine"."""
    path = write_statistics_of(tmp_path / "real.npz", images(300, seed=1))
    add_statistics("mine", str(path), extractors=[EXTRACTOR], count=300, labels="random")
    return path


def scored(reference: object, **options: Any) -> Result:
    return score(images(200, seed=2), reference=reference, progress=False, **options)


def test_the_extractor_is_chosen_and_the_reference_recorded(file: Path) -> None:
    result = scored("stats:mine", metrics="fd")
    assert list(result.extractors) == [EXTRACTOR]
    assert result.reference is not None
    assert result.reference.name == "stats:mine"
    assert result.reference.sha256 == result.reference.fingerprint == file_hash(file)
    assert result.reference.count == 300
    assert result.reference.labels == "random"


def test_the_scores_are_those_of_the_file(file: Path) -> None:
    named, plain = scored("stats:mine", metrics="fd"), scored(file, metrics="fd", features=EXTRACTOR)
    assert named.scores[0].value == plain.scores[0].value
    # the file does not state the number of samples; everything else that is compared is the same
    assert {k for k in named.protocol if named.protocol[k] != plain.protocol[k]} == {"reference count"}
    assert plain.reference is not None
    assert (plain.reference.sha256, plain.reference.labels) == ("", "")


def test_the_extractor_may_be_named_as_well(file: Path) -> None:
    assert scored("stats:mine", metrics="fd", features=EXTRACTOR).scores[0].value > 0


@pytest.mark.parametrize("options", [{"features": "pixels,size=2"}, {"metrics": "fd@digits"}])
def test_another_extractor_is_refused_before_the_work(file: Path, options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=rf"stats:mine are of {EXTRACTOR}, but the features of the samples are by"):
        scored("stats:mine", **{"metrics": "fd", **options})


def test_a_panel_takes_statistics_of_its_own_extractor_only(file: Path) -> None:
    floor = images(200, seed=3)
    result = scored("stats:mine", panel=EXTRACTOR, floor=floor)
    assert result.reference is not None
    assert result.reference.name == "stats:mine"
    with pytest.raises(UsageError, match="features of the samples are by pixels,size=2"):
        scored("stats:mine", panel="pixels,size=2", floor=floor)


def test_statistics_without_an_extractor_fit_to_any(file: Path) -> None:
    add_statistics("any", str(file))
    result = scored("stats:any", metrics="fd", features=EXTRACTOR)
    assert result.scores[0].value == scored("stats:mine", metrics="fd").scores[0].value


def test_the_images_in_a_file_are_a_reference_too(tmp_path: Path) -> None:
    # as in ADM's files: statistics of all images, and some of the images
    real = images(300, seed=1)
    path = write_statistics_of(tmp_path / "adm.npz", real, arr_0=real[:100])
    add_statistics("adm", str(path), extractors=[EXTRACTOR], count=300)
    result = scored("stats:adm", metrics="fd,swd")
    assert result.reference is not None
    assert (result.reference.name, result.reference.count) == ("stats:adm", 100)
    assert result.reference.sha256 == file_hash(path)
    assert result.scores[0].value == scored("stats:adm", metrics="fd").scores[0].value
    # samples may be compared in other features, because they are extracted here
    assert scored("stats:adm", metrics="swd", features="pixels,size=2").scores[0].value > 0


def test_saved_features_are_a_reference_too(tmp_path: Path) -> None:
    from genbench.scoring.score import features_of

    features_of(images(300, seed=1), features=EXTRACTOR, progress=False).save(tmp_path / "real.safetensors")
    add_statistics("mine", str(tmp_path / "real.safetensors"), extractors=[EXTRACTOR])
    result = scored("stats:mine", metrics="fd,swd")
    assert result.reference is not None
    assert (result.reference.name, result.reference.count) == ("stats:mine", 300)


def test_statistics_in_a_pickle_file_are_a_reference_too(file: Path, tmp_path: Path) -> None:
    # as EDM2 writes them
    with np.load(file) as arrays:
        moments = {"mu": arrays["mu"], "sigma": arrays["sigma"]}
    content = {"num_images": 300, "fid": moments, "fd_dinov2": {"mu": np.zeros(2), "sigma": np.eye(2)}}
    (tmp_path / "real.pkl").write_bytes(pickle.dumps(content))
    add_statistics("edm", str(tmp_path / "real.pkl"), extractors=[EXTRACTOR])
    assert scored("stats:edm", metrics="fd").scores[0].value == scored("stats:mine", metrics="fd").scores[0].value


def test_the_record_is_kept_in_the_file_of_results(file: Path, tmp_path: Path) -> None:
    result = scored("stats:mine", metrics="fd")
    result.append(tmp_path / "r.jsonl")
    assert read_results(tmp_path / "r.jsonl")[0].reference == result.reference
    # older files have neither field
    line = json.loads((tmp_path / "r.jsonl").read_text())
    del line["reference"]["sha256"], line["reference"]["labels"]
    (tmp_path / "old.jsonl").write_text(json.dumps(line) + "\n")
    old = read_results(tmp_path / "old.jsonl")[0].reference
    assert old is not None
    assert (old.name, old.labels) == ("stats:mine", "")


def test_a_watcher_takes_statistics_by_name(file: Path) -> None:
    watch = Watcher("stats:mine", every=1, metrics="fd")
    first, second = watch(0, images(200, seed=2)), watch(1, images(200, seed=2))
    assert first is not None
    assert second is not None
    assert first.scores[0].value == second.scores[0].value == scored("stats:mine", metrics="fd").scores[0].value
    assert first.reference is not None
    assert first.reference.name == "stats:mine"


def test_a_mistyped_name_is_told_before_the_samples_are_read() -> None:
    with pytest.raises(UsageError, match="'edm-cifar', did you mean 'edm-cifar10'"):
        score("digits", reference="stats:edm-cifar")


@pytest.mark.parametrize(
    ("name", "extractor"),
    [
        ("cleanfid-ffhq256-trainval70k", "inception,resize=clean"),
        ("cleanfid-ffhq256-trainval70k-torch", "inception,resize=torch"),
        ("adm-imagenet256", "inception"),
        ("edm2-imagenet512", "inception"),
    ],
)
def test_published_statistics_choose_their_network_and_resize(
    name: str, extractor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_reference, "find_statistics", lambda statistics: (Path("x.npz"), "c0ffee"))
    options, named = open_named_reference(Options(reference=f"stats:{name}"))
    assert (options.features, options.reference) == (extractor, Path("x.npz"))
    assert named is not None
    assert named.name == f"stats:{name}"
    # what the user chooses is kept, and checked later
    chosen, _ = open_named_reference(Options(reference=f"stats:{name}", features="dinov2-vit-l-14"))
    assert chosen.features == "dinov2-vit-l-14"


def named_entry(name: str) -> NamedReference:
    entry: NamedStatistics = next(each for each in PUBLISHED_STATISTICS if each.name == name)
    return NamedReference(entry, "c0ffee")


def extractor(name: str) -> Any:
    return SimpleNamespace(name=name)


@pytest.mark.parametrize(
    ("name", "labels", "told"),
    [
        ("adm-imagenet256", "random", False),
        ("adm-imagenet256", "given, unequal counts", False),
        ("adm-imagenet256", "equal", True),
        ("adm-imagenet256", "given, equal counts", True),
        ("jit-imagenet256", "equal", False),
        ("jit-imagenet256", "given, equal counts", False),
        ("jit-imagenet256", "random", True),
        # without classes, or without a rule of the publisher
        ("adm-imagenet256", "", False),
        ("edm-ffhq64", "equal", False),
    ],
)
def test_another_label_rule_than_the_publishers_is_told(name: str, labels: str, told: bool) -> None:
    hints = named_entry(name).label_hints(labels)
    assert len(hints) == told
    assert all(f"--labels {named_entry(name).statistics.labels}" in hint for hint in hints)


def test_labels_of_samples_that_differ_from_the_publishers_rule_give_a_hint(file: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "labelled.npz", images(200, seed=2), np.arange(200) % 10)
    result = score(tmp_path / "labelled.npz", reference="stats:mine", metrics="fd", progress=False)
    assert result.labels == "given, equal counts"
    assert any("stats:mine are of samples whose labels are drawn at random" in hint for hint in result.hints)


def test_the_moments_of_every_view_get_the_name_and_the_count() -> None:
    spatial = Moments(np.zeros(2), np.eye(2), view="spatial")
    both = Moments(np.zeros(3), np.eye(3), others={"spatial": spatial})
    moments = named_entry("adm-imagenet256").moments(both)
    assert moments is not None
    for view in ("embedding", "spatial"):
        each = moments.of_view(view)
        assert each is not None
        assert (each.name, each.count, each.view) == ("stats:adm-imagenet256", 1_281_167, view)
    assert named_entry("adm-imagenet256").moments(None) is None


def test_another_resize_is_refused_and_another_precision_left_to_its_own_check() -> None:
    clean = named_entry("cleanfid-cifar10-test")
    right = extractor("inception,resize=clean")
    clean.require_extractor(right, right)
    fast = extractor("inception,resize=clean,precision=bf16")
    clean.require_extractor(fast, fast)
    with pytest.raises(UsageError, match="leave out --features, or choose inception,resize=clean"):
        clean.require_extractor(extractor("inception"), extractor("inception"))


def test_a_file_with_two_statistics_is_read_for_the_chosen_extractor_only() -> None:
    edm2 = named_entry("edm2-imagenet512")
    inception, dino = extractor("inception"), extractor("dinov2-vit-l-14")
    edm2.require_extractor(inception, inception)
    edm2.require_extractor(dino, dino)
    with pytest.raises(UsageError, match=r"read for inception, .* choose --features dinov2-vit-l-14"):
        edm2.require_extractor(inception, dino)
    with pytest.raises(UsageError, match=r"are of inception and dinov2-vit-l-14, but .* by clip"):
        edm2.require_extractor(extractor("clip"), extractor("clip"))
