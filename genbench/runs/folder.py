"""What lies on disk about the samplers of one benchmark: results, histories, galleries, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genbench.comparison.subjects import by_subject
from genbench.errors import InputError
from genbench.files.folders import result_folder
from genbench.results import Entry, Result, read_results


@dataclass(frozen=True)
class Exhibit:
    """One sampler of a benchmark, with what a run left beside its results."""

    name: str
    results: tuple[Result, ...]
    """One a training seed, in the order of seeds."""
    gallery: Mapping[str, Any]
    """Of the first seed; empty where there is none."""
    samples: Path | None
    picture: Path | None
    histories: Mapping[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """What was watched in training, by seed."""

    @property
    def chosen(self) -> dict[int, int]:
        """The chosen training step of each seed that has one."""
        steps = {result.replicate_seed: result.training.chosen_step for result in self.results if result.training}
        return {seed: step for seed, step in steps.items() if step}

    def entry(self, short: str) -> Entry | None:
        """Return the first seed's score of that name before the @, where there is one."""
        found = (entry for entry in self.results[0].scores if entry.name.partition("@")[0] == short)
        return next(found, None)


def exhibits(results: Sequence[Result], root: Path) -> list[Exhibit]:
    """Return the samplers of results that a run into ``root`` made, in the order of their first lines."""
    return [
        _exhibit(name, sorted(own, key=lambda result: result.replicate_seed), root)
        for name, own in by_subject(results).items()
    ]


def _exhibit(name: str, results: list[Result], root: Path) -> Exhibit:
    histories = {}
    for result in results:
        path = _beside(result, root, "history.jsonl")
        if path is not None:
            histories[result.replicate_seed] = [_json(line, path) for line in path.read_text("utf-8").splitlines()]
    gallery = _beside(results[0], root, "gallery.json")
    return Exhibit(
        name,
        tuple(results),
        _json(gallery.read_text("utf-8"), gallery) if gallery is not None else {},
        _beside(results[0], root, "samples.png"),
        _beside(results[0], root, "gallery.png"),
        histories,
    )


def _beside(result: Result, root: Path, name: str) -> Path | None:
    """Return a file that the run of this very result left, and not a later run with another budget."""
    folder = result_folder(root, (result.benchmark or "").rpartition("@")[0], result.name, result.replicate_seed)
    record = folder / "result.jsonl"
    path = folder / name
    if not path.is_file():
        return None
    if record.is_file() and [one.created for one in read_results(record)] != [result.created]:
        return None
    return path


def _json(text: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); run the sampler again, or delete the file.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged (no JSON object); run the sampler again, or delete the file.")
    return found
