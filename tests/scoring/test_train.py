"""Training samples as a third role beside the generated samples and the held-out reference."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import genbench
from genbench.cli import main
from genbench.comparison.comparability import require_comparable
from genbench.errors import InputError, UsageError
from genbench.plugs.contracts import Score
from genbench.results import read_results


def normal(count: int, seed: int, width: int = 3) -> np.ndarray:
    return np.random.default_rng([seed, 12]).standard_normal((count, width)).astype(np.float32)


TRAIN, HELD_OUT, FRESH = normal(400, 1), normal(300, 2), normal(200, 3)
QUIET: dict[str, Any] = {"progress": False, "cache": False}


def scored(generated: np.ndarray, metrics: str | None = "memorised", **options: Any) -> genbench.Result:
    return genbench.score(generated, reference=HELD_OUT, metrics=metrics, **{"train": TRAIN, **QUIET, **options})


def test_copies_of_training_samples_are_found_and_told() -> None:
    result = scored(np.concatenate([TRAIN[:50], FRESH[:150]]))
    assert 0.25 <= result["memorised@points"].value < 0.29
    assert "50 of 200 generated samples are copies of training samples: the metrics of memorisation list them." in (
        result.warnings
    )


def test_the_training_samples_are_in_the_record_and_in_the_protocol(tmp_path: Path) -> None:
    result = scored(FRESH)
    assert result.train is not None
    assert result.train.count == len(TRAIN)
    assert result.protocol["train"] == result.train.fingerprint[:12]
    other = scored(FRESH, train=normal(400, 9))
    assert other.protocol_fingerprint != result.protocol_fingerprint
    result.append(tmp_path / "results.jsonl")
    (read,) = read_results(tmp_path / "results.jsonl")
    assert read.train == result.train


def test_a_result_without_training_samples_keeps_its_protocol() -> None:
    assert not {"train", "train count"} & scored(FRESH, "fd", train=None).protocol.keys()


def test_a_metric_that_needs_training_samples_says_so() -> None:
    with pytest.raises(UsageError, match=r"'ct' needs the training samples: add --train PATH \(train=PATH in Python\)"):
        scored(FRESH, "ct", train=None)


def test_training_samples_that_no_metric_reads_are_refused() -> None:
    with pytest.raises(UsageError, match="None of the metrics reads the training samples"):
        scored(FRESH, "fd")


def test_a_panel_without_metrics_refuses_training_samples() -> None:
    with pytest.raises(UsageError, match="A panel reads no training samples: add --metrics memorised,ct,authpct"):
        scored(FRESH, None, panel="points")


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ({"features": "digits"}, "A panel names its extractors: add --metrics"),
        ({"precision": "bf16"}, "--precision applies to inception, which 'points' does not have"),
        ({"weights": "weights.pth"}, "--weights applies to inception"),
    ],
)
def test_a_panel_without_metrics_refuses_options_that_it_does_not_read(option: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        scored(FRESH, None, train=None, panel="points", **option)


def test_too_few_training_samples_are_refused_before_the_work() -> None:
    with pytest.raises(InputError, match=r"needs at least 20 training samples, but .* holds 7"):
        scored(FRESH, "ct", train=TRAIN[:7])


def test_without_metrics_those_of_memorisation_are_computed() -> None:
    names = {entry.name for entry in scored(FRESH, None).scores}
    assert {"fd@points", "memorised@points", "ct@points", "authpct@points"} <= names


def test_held_out_samples_among_the_training_samples_are_told() -> None:
    result = scored(FRESH, train=np.concatenate([TRAIN, HELD_OUT[:30]]))
    assert any(
        warning.startswith("30 of 300 reference samples are copies of training samples") for warning in result.warnings
    )


def test_statistics_are_no_training_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "moments.npz", mu=np.zeros(3), sigma=np.eye(3))
    with pytest.raises(UsageError, match="--train needs the training samples"):
        scored(FRESH, train=tmp_path / "moments.npz")


def test_training_rows_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="has 5 dimensions and the features of"):
        scored(FRESH, train=normal(400, 1, width=5))


def test_features_of_another_extractor_are_no_training_samples() -> None:
    from dataclasses import replace

    from genbench.features.features import Features

    other = replace(Features.of(embedding=TRAIN), identity="another()", extractor="another")
    with pytest.raises(InputError, match="was made by another"):
        scored(FRESH, train=other)


@dataclass(frozen=True)
class CountsTrain:
    """A guest's metric that takes the training samples if they are given."""

    needs = ("embedding",)
    reference = "none"
    training_rows = "optional"

    def __call__(self, generated: Any, reference: Any, *, seed: int, train: Any = None) -> list[Score]:
        return [Score("trained", 0.0 if train is None else float(len(train)))]


@pytest.mark.parametrize(("train", "count"), [(TRAIN, 400), (None, 0)])
def test_a_guest_may_take_the_training_samples(train: np.ndarray | None, count: int) -> None:
    result = scored(FRESH, f"{__name__}:CountsTrain", train=train)
    assert result["trained@points"].value == count


@pytest.mark.parametrize("metric", ["authpct", "mifid", f"{__name__}:CountsTrain"])
def test_scores_with_and_without_training_samples_are_not_compared(metric: str, tmp_path: Path) -> None:
    # without training samples these metrics take the reference for the training set
    results = [scored(FRESH, metric, train=train, name=f"of {train is None}") for train in (TRAIN, None)]
    with pytest.raises(InputError, match="cannot be compared because they differ in metric"):
        require_comparable(results)
    for result in results:
        result.append(tmp_path / "results.jsonl")
    assert [read.protocol for read in read_results(tmp_path / "results.jsonl")] == [each.protocol for each in results]


def test_a_metric_that_needs_training_samples_leaves_the_others_comparable() -> None:
    require_comparable([scored(FRESH, "fd,ct"), scored(FRESH, "fd", train=None)])


def test_the_command_line_and_python_agree(tmp_path: Path) -> None:
    for name, rows in (("train", TRAIN), ("held_out", HELD_OUT), ("fresh", FRESH)):
        np.save(tmp_path / f"{name}.npy", rows)
    words = ["score", "--samples", f"{tmp_path}/fresh.npy", "--reference", f"{tmp_path}/held_out.npy"]
    words += ["--train", f"{tmp_path}/train.npy", "--metrics", "ct,memorised", "--json", "--no-cache", "--quiet"]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 0, answer.output
    values = json.loads(answer.stdout)["values"]
    expected = scored(FRESH, "ct,memorised").values
    assert values == pytest.approx(expected)


def test_the_dry_run_counts_the_training_samples() -> None:
    from genbench.scoring.options import Options
    from genbench.scoring.plan import Plan

    options = Options(reference=HELD_OUT, train=TRAIN, metrics="memorised", progress=False, cache=False)
    sides = [cost.side for cost in Plan.make(FRESH, None, options).cost().extractions]
    assert sides == ["generated", "reference", "train"]


def test_a_watcher_takes_training_samples() -> None:
    watch = genbench.Watcher(HELD_OUT, every=1, train=TRAIN, metrics="memorised")
    results = [watch(step, FRESH) for step in (0, 1)]
    assert [result["memorised@points"].value for result in results if result] == [
        scored(FRESH)["memorised@points"].value
    ] * 2


def test_pairs_name_the_files_of_their_samples(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, count in (("train", 30), ("held_out", 25), ("generated", 24)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "generated" / "7.png").write_bytes((tmp_path / "train" / "12.png").read_bytes())
    words = ["score", "--samples", f"{tmp_path}/generated", "--reference", f"{tmp_path}/held_out", "--quiet"]
    words += ["--train", f"{tmp_path}/train", "--metrics", "memorised,rate=0.05", "--features", "pixels", "--no-cache"]
    # the first pair is named also if only a part of the samples is scored
    for further in ([], ["--count", "20", "--seed", "1"]):
        answer = CliRunner().invoke(main, [*words, *further, "--json"])
        first = json.loads(answer.stdout)["scores"][0]["detail"]["pairs"][0]
        assert (first["generated_file"], first["train_file"]) == (
            f"{tmp_path}/generated/7.png",
            f"{tmp_path}/train/12.png",
        )
    # the table and the picture show it
    answer = CliRunner().invoke(main, [*words, "--pairs", f"{tmp_path}/pairs.png"])
    assert f"{tmp_path}/train/12.png" in answer.stdout
    sheet = np.asarray(Image.open(tmp_path / "pairs.png").convert("RGB"))
    times = max(1, 512 // (8 * 9 + 1))
    tiles = sheet[::times, ::times]
    copied = np.asarray(Image.open(tmp_path / "train" / "12.png"))
    assert np.array_equal(tiles[1:9, 1:9], copied)
    assert np.array_equal(tiles[1:9, 10:18], copied)


def test_a_picture_of_pairs_needs_images(tmp_path: Path) -> None:
    for name, rows in (("train", TRAIN), ("held_out", HELD_OUT), ("fresh", FRESH)):
        np.save(tmp_path / f"{name}.npy", rows)
    words = ["score", "--samples", f"{tmp_path}/fresh.npy", "--reference", f"{tmp_path}/held_out.npy", "--quiet"]
    words += ["--train", f"{tmp_path}/train.npy", "--no-cache", "--pairs", f"{tmp_path}/pairs.png"]
    for metrics, message in (("memorised", "--pairs draws images"), ("ct", "There are no pairs to draw")):
        answer = CliRunner().invoke(main, [*words, "--metrics", metrics])
        assert answer.exit_code != 0
        assert message in answer.stderr
