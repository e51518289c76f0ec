"""The records of a run folder: what is read is written again byte for byte."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from genbench.errors import InputError
from genbench.results import CriticRecord
from genbench.runs.folder import RunFolder
from genbench.runs.gallery_record import Gallery
from genbench.runs.history import History, WatchedStep

REPORTS = Path(__file__).parents[2] / "reports"
COMMITTED = [
    RunFolder(REPORTS, path.parents[1].name, path.parent.name, int(path.name.removeprefix("seed-")))
    for path in sorted(REPORTS.glob("*/*/seed-*"))
]


def test_the_committed_galleries_are_written_as_they_were_read(tmp_path: Path) -> None:
    copy = RunFolder(tmp_path, "x", "y", 0)
    for folder in COMMITTED:
        path = folder.path / "gallery.json"
        if path.exists():
            copy.write_gallery(folder.read_gallery())
            assert (copy.path / "gallery.json").read_bytes() == path.read_bytes()


def test_the_committed_histories_are_written_as_they_were_read(tmp_path: Path) -> None:
    copy = RunFolder(tmp_path, "x", "y", 0)
    for folder in COMMITTED:
        path = folder.path / "history.jsonl"
        if path.exists():
            copy.write_history(folder.read_history())
            assert (copy.path / "history.jsonl").read_bytes() == path.read_bytes()


def test_the_critics_numbers_are_stored_under_keys_with_their_quantity() -> None:
    critic = CriticRecord("w1", claimed=0.1, exact=0.2, floor=0.05)
    step = WatchedStep(10, {"loss": 1.0}, 0.5, True, 2.0, critic)
    assert step.to_json() == {
        "step": 10, "loss": 1.0, "claimed_w1": 0.1, "exact_w1": 0.2, "floor_w1": 0.05, "validation": 0.5, "kept": 1.0,
        "seconds": 2.0,
    }  # fmt: skip
    assert WatchedStep.from_json(step.to_json()) == step
    assert list(step.quantities) == ["loss", "claimed_w1", "exact_w1", "validation"]


def test_a_repeated_step_replaces_itself_and_the_later_ones() -> None:
    first, second, third = (WatchedStep(step, {}, 1.0, True) for step in (10, 20, 30))
    history = History((first, second, third))
    assert history.extended(second).steps == (first, second)


def test_the_last_step_with_kept_weights_is_chosen() -> None:
    steps = [WatchedStep(step, {}, 1.0, kept) for step, kept in ((10, True), (20, True), (30, False))]
    assert History(tuple(steps)).chosen_step == 20
    assert History().chosen_step == 0


FIRST = '{"step": 2, "loss": 1.0, "validation": 0.5, "kept": 1.0, "seconds": 1.0}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[]", "it is no object"),
        ('{"step": 4}', "validation is missing"),
        ('{"step": -1, "validation": 0.5, "kept": 0.0}', "step is -1, but must be 0 or more"),
        ('{"step": NaN, "validation": 0.5, "kept": 0.0}', "step is NaN, not a whole number"),
        ('{"step": 4, "validation": "low", "kept": 0.0}', 'validation is "low", not a number'),
        ('{"step": 4, "validation": 0.5, "kept": 0.0, "loss": [1]}', "loss is a list, not a number"),
        ('{"step": 4, "validation": 0.5, "kept": 2}', "kept is 2, but must be 0 or 1"),
        ('{"step": 4, "validation": 0.5, "kept": 0, "seconds": null}', "seconds is null, but must be 0 or more"),
        (FIRST, "step 2 follows step 2"),
        ("[" * 100_000, "nested too deeply"),
        ("{", "Expecting property name"),
    ],
)
def test_a_damaged_line_of_a_history_is_named(tmp_path: Path, line: str, reason: str) -> None:
    folder = RunFolder(tmp_path, "digits", "vae", 0)
    folder.path.mkdir(parents=True)
    (folder.path / "history.jsonl").write_text(f"{FIRST}\n{line}\n{FIRST}\n")
    with pytest.raises(InputError, match=r"history.jsonl, line 2 is not a step of a training \(.*\); run the") as error:
        folder.read_history()
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("null", "the record is null, not an object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"count": -1}', "count is -1, but must be 0 or more"),
        ('{"modes": [1, 2], "reference_modes": [1]}', "modes has 2 values, but the other side has 1"),
        ('{"groups": {"odd": {"rows": [1], "nearest": [], "distance": [0.5]}}}', "the lists of groups['odd']"),
        ('{"conditionals": [[0.5]]}', "conditionals[0] has 1 values"),
        ('{"points": [[1.0]]}', "points has a row without two coordinates"),
        ('{"by_count": {"name": "fd", "rows": [[10, 1.0]]}}', "has 2 values, not 3"),
        ('{"picture": {"lines": [], "columns": 0, "width": 1, "height": 1, "line": 1}}', "must be 1 or more"),
        ('{"marginal": {"a": 1}}', "marginal is an object, not a list"),
    ],
)
def test_a_damaged_gallery_is_named(tmp_path: Path, text: str, reason: str) -> None:
    folder = RunFolder(tmp_path, "digits", "vae", 0)
    folder.path.mkdir(parents=True)
    (folder.path / "gallery.json").write_text(text)
    with pytest.raises(InputError, match=r"gallery.json is damaged \(.*\); run the sampler again") as error:
        folder.read_gallery()
    assert reason in str(error.value)


def test_numbers_of_a_diverged_model_are_read_as_they_were_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "digits", "vae", 0)
    folder.write_history(History((WatchedStep(10, {"loss": math.inf}, math.nan, False),)))
    folder.write_gallery(Gallery(count=2, marginal=[math.nan], reference_marginal=[1.0], median_distance=math.nan))
    assert "NaN" not in (folder.path / "history.jsonl").read_text() + (folder.path / "gallery.json").read_text()
    (step,) = folder.read_history().steps
    assert math.isnan(step.validation)
    assert math.isnan(step.losses["loss"])
    gallery = folder.read_gallery()
    assert math.isnan(gallery.marginal[0])
    assert gallery.median_distance is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"budget": 1}', '{"budget": "full", "seed": NaN}'])
def test_a_damaged_training_record_counts_as_absent(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path, "digits", "vae", 0)
    folder.path.mkdir(parents=True)
    (folder.path / "training.json").write_text(text)
    assert folder.read_training() is None
