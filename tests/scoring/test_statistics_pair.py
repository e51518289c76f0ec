"""Two files of statistics have a Frechet distance without an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genbench import score
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.features.statistics_files import write_statistics
from genbench.results import read_results
from genbench.scoring.score import features_of
from tests.cli.commands import refused, run

TRAIN, TEST = "digits,split=train", "digits,split=test"


def foreign(path: Path, mean: float, deviation: float, size: int = 4) -> Path:
    """Write a file as other tools do, without the name of an extractor."""
    np.savez(path, mu=np.full(size, float(mean)), sigma=np.eye(size) * deviation**2)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("statistics")
    for split in (TRAIN, TEST):
        features = features_of(split, features="pixels,size=4", progress=False)
        write_statistics(features.moments("embedding"), folder / f"{split[13:]}.npz")
    return {TRAIN: folder / "train.npz", TEST: folder / "test.npz"}


def test_the_distance_of_two_gaussians_has_its_closed_form(tmp_path: Path) -> None:
    sides = foreign(tmp_path / "a.npz", 0, 1), foreign(tmp_path / "b.npz", 3, 2)
    (entry,) = score(sides[0], reference=sides[1]).scores
    # |m - n|^2 + sum of (s - t)^2 over 4 dimensions
    assert entry.value == pytest.approx(4 * 9 + 4 * 1, rel=1e-12)
    assert (entry.name, entry.error) == ("fd@features", None)


def test_the_distance_is_that_of_the_samples(files: dict[str, Path]) -> None:
    (entry,) = score(files[TRAIN], reference=files[TEST]).scores
    expected = score(TRAIN, reference=TEST, features="pixels,size=4", metrics="fd", progress=False).scores[0]
    assert entry.name == expected.name == "fd@pixels,size=4"
    assert entry.value == pytest.approx(expected.value, rel=1e-9)


def test_statistics_agree_with_pytorch_fid(files: dict[str, Path]) -> None:
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    sides = [(arrays["mu"], arrays["sigma"]) for arrays in map(np.load, files.values())]
    expected = fid_score.calculate_frechet_distance(*sides[0], *sides[1])
    assert score(files[TRAIN], reference=files[TEST]).scores[0].value == pytest.approx(expected, rel=1e-5)


def test_statistics_of_2048_dimensions_are_those_of_inception(tmp_path: Path) -> None:
    sides = foreign(tmp_path / "a.npz", 0, 1, 2048), foreign(tmp_path / "b.npz", 0.1, 1, 2048)
    assert score(sides[0], reference=sides[1]).scores[0].name == "fid"


def test_moments_and_the_features_of_a_reference_are_taken_in_python(files: dict[str, Path]) -> None:
    mean, covariance = np.zeros(2), np.eye(2)
    reference = Features.of(embedding=np.random.default_rng(0).normal(size=(5000, 2)))
    (entry,) = score(Moments(mean, covariance, name="unit"), reference=reference, metrics="fd").scores
    assert 0 < entry.value < 0.01


def test_the_command_prints_and_stores_the_score(files: dict[str, Path], tmp_path: Path) -> None:
    outcome = run("score", files[TRAIN], files[TEST], "--to", tmp_path / "r.jsonl", "--name", "mine")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.startswith("fd@pixels,size=4: 0.0074")
    assert "Statistics have no error bar" in outcome.stderr
    (result,) = read_results(tmp_path / "r.jsonl")
    assert (result.name, result.generated.count, result.spec) == ("mine", 898, str(files[TRAIN]))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--metrics", "kid"), "'kid' needs the generated samples"),
        (("--metrics", "fd@digits"), "The statistics are of pixels,size=4, not of digits"),
        (("--metrics", "sfid"), "has no statistics of 'spatial'"),
        (("--features", "digits"), "was made by pixels,size=4, not by digits"),
        (("--count", "100"), "--count needs the generated samples"),
        (("--dry-run",), "--dry-run needs the generated samples"),
        (("--pairs", "pairs.png"), "--pairs needs the generated samples"),
        (("--floor", TEST), "--floor needs the generated samples"),
        (("--panel-metric", "kid"), "--panel-metric needs the generated samples"),
        (("--skip-corrupt",), "--skip-corrupt needs the generated samples"),
        (("--max-pixels", "9"), "--max-pixels needs the generated samples"),
        (("--weights", "w.pt"), "--weights needs the generated samples"),
        (("--precision", "bf16"), "--precision needs the generated samples"),
        (("--backend", "openvino"), "--backend needs the generated samples"),
    ],
)
def test_what_needs_samples_is_refused_and_nothing_is_written(
    files: dict[str, Path], tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    outcome = run("score", files[TRAIN], files[TEST], "--to", tmp_path / "r.jsonl", *words)
    assert not list(tmp_path.iterdir())
    assert outcome.exit_code in (1, 2)
    assert complaint in " ".join(outcome.stderr.split())


def test_statistics_and_samples_are_refused_in_that_order(files: dict[str, Path]) -> None:
    assert "give the samples first" in refused("score", files[TRAIN], TEST, code=2)


def test_statistics_of_different_extractors_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    write_statistics(features_of(TEST, features="pixels,size=5", progress=False).moments("embedding"), other)
    with pytest.raises(InputError, match=r"made by pixels,size=4 .* but .* by pixels,size=5"):
        score(files[TRAIN], reference=other)


def test_an_option_that_needs_samples_is_refused_in_python(files: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="panel needs the generated samples"):
        score(files[TRAIN], reference=files[TEST], panel="offline")


def test_a_metric_that_is_named_twice_is_scored_once(files: dict[str, Path]) -> None:
    found = score(files[TRAIN], reference=files[TEST], metrics="fid,fd")
    assert [entry.name for entry in found.scores] == ["fd@pixels,size=4"]
    assert len(found.metrics) == 1
