"""Damaged results, histories, galleries and other records of a run: read, refused in one sentence, or absent."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest

from genbench.comparison.gate import gate
from genbench.files.checksums import Checksums
from genbench.results import CriticRecord, TrainingRecord, read_results
from genbench.runs.folder import RunFolder
from genbench.runs.gallery_record import CountedDistance, DistanceByCount, Gallery, SampleGroup, SheetLayout
from genbench.runs.history import History, WatchedStep
from genbench.tables.gate_report import gate_badge, gate_junit, gate_markdown, gate_text
from tests.helpers.made_results import board
from tests.helpers.mutations import Kind, check_kind, mutated_bytes, mutated_json_lines, trials
from tests.page.test_odd_results import full_result

CRITIC = CriticRecord("w1", 1.0, 2.0, 3.0, 0.5)
HISTORY = History(tuple(WatchedStep(step, {"loss": 1.5}, 2.0 / step, True, 1.0 * step, CRITIC) for step in (10, 20)))
GALLERY = Gallery(
    count=4, reference_count=4, groups={"random": SampleGroup([0, 1], [2, 3], [0.5, 1.5])}, median_distance=1.0,
    reference_median_distance=0.5, by_count=DistanceByCount("fd@digits", [CountedDistance(2, 1.5, 0.5)]), modes=[2, 2],
    reference_modes=[1, 3], marginal=[0.5, 0.5], reference_marginal=[0.5, 0.5], conditionals=[[0.5, 0.5], [1.0, 0.0]],
    picture=SheetLayout(["sample", "nearest reference"], 2, 8, 8, 1),
)  # fmt: skip
TRAINING = TrainingRecord("full", 0, "digits@1", "gan", 100, 2.0, 20, "fd on validation", 0.1, CRITIC)
IDENTITY = {"spec": "gan", "budget": "full", "features": "digits"}


def results_file(path: Path) -> None:
    for result in (full_result(), *board()):
        result.append(path)


def trial(path: Path) -> RunFolder:
    """Return the folder of a trial, which is the folder of a file in it."""
    folder = RunFolder(path.parent, "digits", "gan", 0)
    shutil.rmtree(folder.path, ignore_errors=True)
    folder.path.mkdir(parents=True)
    return folder


def in_trial(name: str, read: Callable[[RunFolder], object], path: Path) -> None:
    folder = trial(path)
    (folder.path / name).write_bytes(path.read_bytes())
    read(folder)


def gated(path: Path) -> None:
    # against itself, in both orders
    results = read_results(path)
    for candidate in results:
        baseline = replace(results[0], name=candidate.name)
        checks = gate([candidate], [baseline])
        for output in (gate_text, gate_markdown, gate_junit, gate_badge):
            assert output(checks)


def text(value: object) -> bytes:
    return json.dumps(value).encode()


STEPS = "\n".join(json.dumps(step.to_json()) for step in HISTORY.steps).encode()
RESULTS = "\n".join(result.to_json() for result in (full_result(), *board())).encode()
SUMS = b"".join(b"%064x  %s\n" % (7, name) for name in (b"result.jsonl", b"gallery.json"))


def changed_lines(content: bytes, rng: random.Random) -> bytes:
    return mutated_bytes(content, rng, (b"  ", b"\n", b"\r", b"\xff", b"result.jsonl"))


KINDS = [
    Kind("results.jsonl", lambda _: [RESULTS], mutated_json_lines, read_results),
    Kind("gated.jsonl", lambda _: [full_result().to_json().encode()], mutated_json_lines, gated),
    Kind("history", lambda _: [STEPS], mutated_json_lines, partial(in_trial, "history.jsonl", RunFolder.read_history)),
    Kind("gallery", lambda _: [text(GALLERY.to_json())], mutated_json_lines,
         partial(in_trial, "gallery.json", RunFolder.read_gallery)),
    Kind("training", lambda _: [text(asdict(TRAINING))], mutated_json_lines,
         partial(in_trial, "training.json", RunFolder.read_training)),
    Kind("identity", lambda _: [text(IDENTITY)], mutated_json_lines,
         partial(in_trial, "identity.json", RunFolder.read_identity)),
    Kind("result", lambda _: [full_result().to_json().encode()], mutated_json_lines,
         partial(in_trial, "result.jsonl", RunFolder.read_result)),
    Kind("sums", lambda _: [SUMS], changed_lines, lambda path: Checksums(path).match(path)),
]  # fmt: skip


@pytest.mark.parametrize("count", trials(100, 600))
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_damaged_record_is_read_or_refused_in_one_sentence(kind: Kind, count: int, tmp_path: Path) -> None:
    check_kind(kind, count, tmp_path)
