"""The records of a run folder: what is read is written again byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from genbench.errors import InputError
from genbench.results import CriticRecord
from genbench.runs.folder import History, RunFolder, WatchedStep

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


@pytest.mark.parametrize("text", ["{", "[]", '{"step": 1}'])
def test_a_damaged_history_is_named(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path, "digits", "vae", 0)
    folder.path.mkdir(parents=True)
    (folder.path / "history.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"history.jsonl is damaged \(.*\); run the sampler again"):
        folder.read_history()
