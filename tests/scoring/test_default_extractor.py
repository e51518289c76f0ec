"""Without Inception's weights, images are scored in other features and this is told, unless FID was asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import genbench
from genbench.array_types import Array
from genbench.benchmarks import folder
from genbench.cli import main
from genbench.distributed import Ranks
from genbench.errors import InputError, MissingWeightsError, UsageError
from genbench.extractors import weights
from genbench.extractors.inception import extractor as inception
from genbench.features.features import Moments
from genbench.features.statistics_files import write_statistics
from genbench.files.downloads import DownloadError
from genbench.files.folder_paths import weights_root
from genbench.scoring.default_extractor import FID_NETWORK, INSTALLED_NETWORK, default_network
from genbench.scoring.options import Options
from genbench.scoring.watcher import Watcher
from tests.helpers.random_weights import random_inception_weights, smooth_images

ASKED_FOR_FID = ("fid", "fid,limit=extrapolation", "is,kid", "adm")


@pytest.fixture(autouse=True)
def attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No network and no weights on this computer; the list grows by each download that is tried."""
    tried: list[str] = []

    def unreachable(urls: object, target: Path, **_: object) -> str:
        tried.append(target.name)
        raise DownloadError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "download_first", unreachable)
    return tried


@pytest.fixture
def sides() -> tuple[Array, Array]:
    """Two sets of eight images, uint8 [8, 3, 16, 16]."""
    return smooth_images(8, size=16, seed=1), smooth_images(8, size=16, seed=2)


@pytest.fixture
def folders(sides: tuple[Array, Array], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The same images as files in the working folder: the folders made and real."""
    monkeypatch.chdir(tmp_path)
    for name, images in zip(("made", "real"), sides, strict=True):
        (tmp_path / name).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / name / f"{number}.png")
    return "made", "real"


def install_inception(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put random weights under the published name and checksum into the folder of weights."""
    weights_root().mkdir(parents=True, exist_ok=True)
    path = random_inception_weights(weights_root() / inception.INCEPTION.file)
    monkeypatch.setattr(inception, "INCEPTION", replace(inception.INCEPTION, sha256=weights.file_sha256(path)))


def stderr_of(*words: str) -> str:
    outcome = CliRunner().invoke(main, [*words, "--quiet"])
    assert outcome.exit_code in (0, 3), outcome.output
    return outcome.stderr


def is_told(text: str) -> bool:
    """Return whether a text has the line about the choice once."""
    start, end = "FID needs weights-inception-2015-12-05-6726825d.pth (96 MB", "so that every run uses the same."
    # the continuation of a wrapped line is indented
    lines = [line.removeprefix("Warning: ") for line in text.replace("\n  ", " ").splitlines() if start in line]
    assert len(lines) < 2
    return bool(lines) and lines[0].startswith(start) and lines[0].endswith(end)


def test_the_installed_network_replaces_inception_and_one_hint_says_so(sides: tuple[Array, Array]) -> None:
    result = genbench.score(sides[0], reference=sides[1])
    assert {entry.extractor for entry in result.scores} == set(result.extractors) == {INSTALLED_NETWORK}
    assert "fd@efficientnet-lite0" in {entry.name for entry in result.scores}
    assert not {"fid", "kid"} & {entry.name for entry in result.scores}
    assert is_told("\n".join(result.hints))
    assert is_told("\n".join(json.loads(result.to_json())["hints"]))


def test_metrics_that_any_features_allow_are_no_question_of_fid(sides: tuple[Array, Array]) -> None:
    result = genbench.score(sides[0], reference=sides[1], metrics="fd,pr")
    assert set(result.extractors) == {INSTALLED_NETWORK}
    assert is_told("\n".join(result.hints))


@pytest.mark.parametrize("metrics", ["msssim", "msssim,spectral"])
def test_metrics_that_have_extractors_of_their_own_need_no_other_network(
    sides: tuple[Array, Array], metrics: str, attempts: list[str]
) -> None:
    result = genbench.score(sides[0], reference=sides[1], metrics=metrics)
    assert result.extractors.keys() <= {"images,size=64", "spectrum"}
    assert not is_told("\n".join(result.hints))
    assert attempts == []


def test_given_weights_are_those_of_the_network_that_the_metric_is_defined_by(sides: tuple[Array, Array]) -> None:
    with pytest.raises(InputError, match=r"^nowhere\.pt is not a file; give the path of clip-vit-l-14-336px"):
        genbench.score(sides[0], reference=sides[1], metrics="cmmd", weights="nowhere.pt")


@pytest.mark.parametrize("metrics", ASKED_FOR_FID)
def test_who_asks_for_fid_by_name_gets_the_error(sides: tuple[Array, Array], metrics: str) -> None:
    many = [np.tile(side, (2, 1, 1, 1)) for side in sides]
    with pytest.raises(MissingWeightsError, match=r"inception needs .* --features efficientnet-lite0"):
        genbench.score(many[0], reference=many[1], metrics=metrics)


@pytest.mark.parametrize("options", [{"features": "inception"}, {"resizes": "tf"}, {"weights": "nowhere.pth"}])
def test_who_asks_for_inception_gets_the_error(sides: tuple[Array, Array], options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"inception needs|nowhere.pth is not a file"):
        genbench.score(sides[0], reference=sides[1], **options)


def test_a_benchmark_keeps_its_features(sides: tuple[Array, Array], folders: tuple[str, str]) -> None:
    recipe = replace(folder("real"), reference="real", metrics="fd", count=None)
    assert recipe.features == "inception"
    with pytest.raises(MissingWeightsError, match="inception needs"):
        genbench.score(sides[0], recipe)


def test_with_the_weights_inception_is_the_default(sides: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch) -> None:
    install_inception(monkeypatch)
    result = genbench.score(sides[0], reference=sides[1], metrics="fd")
    assert {entry.name for entry in result.scores} == {"fid"}
    assert not is_told("\n".join(result.hints))


def test_a_broken_file_of_weights_is_an_error(sides: tuple[Array, Array]) -> None:
    weights_root().mkdir(parents=True)
    (weights_root() / inception.INCEPTION.file).write_bytes(b"half of a file")
    with pytest.raises(InputError, match="is broken or a different file"):
        genbench.score(sides[0], reference=sides[1])


def test_without_the_weights_of_both_networks_the_error_is_about_inception(
    sides: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(MissingWeightsError, match=r"^inception needs"):
        genbench.score(sides[0], reference=sides[1])


def test_statistics_of_unknown_features_can_only_be_inceptions(sides: tuple[Array, Array]) -> None:
    reference = Moments(np.zeros(2048), np.eye(2048), 50_000, "published")
    with pytest.raises(MissingWeightsError, match="inception needs"):
        genbench.score(sides[0], reference=reference)


@pytest.mark.parametrize("with_inception", [False, True])
@pytest.mark.parametrize("kind", ["real.npz", "real.safetensors"])
def test_statistics_made_by_the_installed_network_are_compared_in_its_features(
    sides: tuple[Array, Array], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, with_inception: bool
) -> None:
    features = genbench.features_of(sides[1])
    path = tmp_path / kind
    features.save(path) if kind.endswith("safetensors") else write_statistics(features.moments(), path)
    if with_inception:
        install_inception(monkeypatch)
    result = genbench.score(sides[0], reference=str(path), metrics="fd")
    assert [entry.name for entry in result.scores] == ["fd@efficientnet-lite0"]
    assert not is_told("\n".join(result.hints))


@pytest.mark.parametrize("kind", ["real.npz", "real.safetensors"])
def test_a_file_of_genbench_names_its_extractor(sides: tuple[Array, Array], tmp_path: Path, kind: str) -> None:
    features = genbench.features_of(sides[1], features="pixels,size=4")
    path = tmp_path / kind
    features.save(path) if kind.endswith("safetensors") else write_statistics(features.moments(), path)
    result = genbench.score(sides[0], reference=str(path), metrics="fd")
    assert [entry.name for entry in result.scores] == ["fd@pixels,size=4"]


@pytest.mark.parametrize("name", ["torchscript,path=net.pt", "module,net=x", "guests:net", "no-such-network"])
def test_a_file_cannot_make_genbench_run_other_code(sides: tuple[Array, Array], name: str) -> None:
    reference = Moments(np.zeros(2048), np.eye(2048), 50_000, "published", extractor=name)
    with pytest.raises(MissingWeightsError, match="inception needs"):
        genbench.score(sides[0], reference=reference)


def test_nothing_is_downloaded_for_points_or_if_each_metric_names_its_features(
    sides: tuple[Array, Array], attempts: list[str]
) -> None:
    points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    genbench.score(points, reference="ring,count=50", metrics="swd")
    genbench.score(sides[0], reference=sides[1], metrics="fd@pixels")
    assert not attempts


def test_subjects_that_are_compared_have_the_same_network(sides: tuple[Array, Array], attempts: list[str]) -> None:
    comparison = genbench.compare(*sides, reference=smooth_images(8, size=16, seed=3), metrics="fd,pr")
    assert {name for results in comparison.subjects.values() for name in results[0].extractors} == {INSTALLED_NETWORK}
    assert is_told("\n".join(comparison.warnings))
    assert attempts == [inception.INCEPTION.file]


def test_results_of_the_two_networks_are_not_compared(
    sides: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = genbench.score(sides[0], reference=sides[1], metrics="fd", name="offline")
    install_inception(monkeypatch)
    online = genbench.score(sides[0], reference=sides[1], metrics="fd", name="online")
    with pytest.raises(
        InputError, match=r"offline \(features: efficientnet-lite0\) and online \(features: inception\)"
    ):
        genbench.compare(offline, online)
    with pytest.raises(InputError, match=r"offline has no fid.* \(its features: efficientnet-lite0\)"):
        genbench.gate([offline], [online])


def test_every_command_that_extracts_features_tells_the_choice(folders: tuple[str, str]) -> None:
    made, real = folders
    assert is_told(stderr_of("score", "--samples", made, "--reference", real, "--dry-run"))
    assert is_told(
        stderr_of("score", "--samples", made, "--reference", real, "--metrics", "fd,pr", "--to", "old.jsonl")
    )
    assert is_told(stderr_of("stats", real, "--out", "real.npz"))
    assert is_told(stderr_of("compare", made, real, "--reference", real, "--metrics", "fd"))
    gate = ("gate", "--samples", made, "--against", "old.jsonl", "--reference", real, "--metrics", "fd,pr")
    assert is_told(stderr_of(*gate, "--metric", "precision"))


def test_a_watcher_takes_the_installed_network_without_trying_a_download(
    sides: tuple[Array, Array], attempts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install_inception(monkeypatch)
    watch = Watcher(sides[1], every=1, metrics="fd,pr")
    results = [watch(step, sides[0]) for step in range(2)]
    for result in results:
        assert result is not None
        assert set(result.extractors) == {INSTALLED_NETWORK}
        assert not is_told("\n".join(result.hints))
    assert not attempts


@pytest.mark.parametrize("options", [{"metrics": "fid"}, {"features": "inception"}])
def test_a_watcher_takes_inception_if_it_is_asked_for(sides: tuple[Array, Array], options: dict[str, Any]) -> None:
    with pytest.raises(MissingWeightsError, match="inception needs"):
        Watcher(sides[1], **options)(0, sides[0])


def test_a_watcher_with_statistics_of_unknown_features_takes_inception(sides: tuple[Array, Array]) -> None:
    with pytest.raises(MissingWeightsError, match="inception needs"):
        Watcher(Moments(np.zeros(2048), np.eye(2048), 50_000, "published"))(0, sides[0])


def test_processes_agree_on_the_network_if_only_one_of_them_lacks_the_weights() -> None:
    from torch.distributed import HashStore  # type: ignore[attr-defined]

    store = HashStore()
    chosen: dict[int, str] = {}

    def lacking(name: str) -> None:
        if name == FID_NETWORK:
            raise MissingWeightsError("inception needs net.pth.", "net.pth")

    def choose(rank: int, find: Callable[[str], object]) -> None:
        options = Options(ranks=Ranks(rank, 2, store))
        # twice, as for a subject and its baseline
        for _ in range(2):
            chosen[rank] = default_network(options, [], None, find)[0]

    threads = [
        threading.Thread(target=choose, args=(rank, find)) for rank, find in enumerate((lacking, lambda _: None))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert chosen == {0: INSTALLED_NETWORK, 1: INSTALLED_NETWORK}


def test_a_mistyped_metric_is_reported_before_the_network_is_chosen(
    sides: tuple[Array, Array], attempts: list[str]
) -> None:
    with pytest.raises(UsageError, match="did you mean 'prdc'"):
        genbench.score(sides[0], reference=sides[1], metrics="prdcc")
    assert not attempts
