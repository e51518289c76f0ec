"""Features that were computed before are scored like the samples themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from genbench import score
from genbench.errors import InputError, PlugError
from genbench.features.features import Features
from genbench.results import read_results
from genbench.scoring.score import features_of
from tests.cli.commands import refused, run

TRAIN, TEST = "digits,split=train", "digits,split=test"
METRICS = "fd,kid,subset_size=200,pr"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files with the features of both splits."""
    folder = tmp_path_factory.mktemp("features")
    paths = {split: folder / f"{split[13:]}.safetensors" for split in (TRAIN, TEST)}
    for split, path in paths.items():
        features_of(split, features="pixels,size=4", progress=False).save(path)
    return paths


def values(*sides: object, **options: object) -> dict[str, float]:
    found = score(sides[0], reference=sides[1], metrics=METRICS, progress=False, **options)  # type: ignore[arg-type]
    return {entry.name: entry.value for entry in found.scores}


def test_features_from_files_score_like_the_samples(files: dict[str, Path]) -> None:
    expected = values(TRAIN, TEST, features="pixels,size=4")
    assert "fd@pixels,size=4" in expected
    # the blocks of a file are longer, so sums are rounded otherwise
    assert values(files[TRAIN], files[TEST]) == pytest.approx(expected, rel=1e-9)
    # and a file beside samples, on either side
    assert values(files[TRAIN], TEST) == pytest.approx(expected, rel=1e-9)
    assert values(TRAIN, files[TEST], features="pixels,size=4") == pytest.approx(expected, rel=1e-9)


def test_the_command_takes_two_files_of_features(files: dict[str, Path], tmp_path: Path) -> None:
    outcome = run("score", files[TRAIN], files[TEST], "--metrics", "fd", "--to", tmp_path / "r.jsonl")
    assert outcome.exit_code == 0, outcome.output
    (result,) = read_results(tmp_path / "r.jsonl")
    assert result.scores[0].value == pytest.approx(values(TRAIN, TEST, features="pixels,size=4")["fd@pixels,size=4"])
    assert result.name == str(files[TRAIN])
    assert list(result.extractors) == ["pixels,size=4"]


def test_a_count_chooses_rows_of_a_file(files: dict[str, Path]) -> None:
    found = score(files[TRAIN], reference=files[TEST], metrics="fd", count=300, progress=False)
    again = score(files[TRAIN], reference=files[TEST], metrics="fd", count=300, progress=False)
    assert found.generated.count == 300
    assert found.scores[0].value == again.scores[0].value
    with pytest.raises(InputError, match="holds 898 rows, but 900 are asked for"):
        score(files[TRAIN], reference=files[TEST], metrics="fd", count=900, progress=False)


def test_features_of_an_extractor_that_is_not_here_are_compared_with_each_other(files: dict[str, Path]) -> None:
    x, y = np.random.default_rng(0).normal([[[0, 0, 0]], [[2, 0, 0]]], 1, (2, 300, 3))
    found = score(Features.of(embedding=x), reference=Features.of(embedding=y), metrics="fd", progress=False)
    assert found.scores[0].name == "fd@features"
    assert found.scores[0].value == pytest.approx(4, abs=0.8)
    # but samples have no such features
    with pytest.raises(PlugError, match="only features from files can be compared"):
        score(Features.of(embedding=x), reference=TEST, metrics="fd", progress=False)


def test_the_extractor_of_a_file_is_not_run_from_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mean_guest.py").write_text(
        "class Mean:\n    name = identity = 'mean_guest:Mean'\n"
        "    def __call__(self, data): return {'embedding': data.float().mean(dim=(2, 3))}\n"
    )
    monkeypatch.chdir(tmp_path)
    for split, name in ((TRAIN, "a"), (TEST, "b")):
        features_of(split, features="mean_guest:Mean", progress=False).save(tmp_path / f"{name}.safetensors")
    (tmp_path / "mean_guest.py").unlink()
    sys.modules.pop("mean_guest")
    assert "fd@mean_guest:Mean" in values(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


def test_files_of_different_extractors_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    features_of(TEST, features="pixels,size=5", progress=False).save(other)
    message = refused("score", files[TRAIN], other, "--metrics", "fd")
    assert "was made by pixels,size=5" in message


def test_a_damaged_file_of_features_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(files[TRAIN].read_bytes()[:-100])
    assert "damaged.safetensors" in refused("score", damaged, files[TEST], "--metrics", "fd")


def test_the_cost_of_features_is_that_of_the_other_side(files: dict[str, Path]) -> None:
    outcome = run("score", files[TRAIN], TEST, "--metrics", "fd", "--dry-run")
    assert outcome.exit_code == 0, outcome.output
