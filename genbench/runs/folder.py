"""The folder of one sampler with one training seed: its paths, and the records that it holds, with their JSON formats.

``run`` writes the folder and the report reads it. Weights and figures are written by the modules that make them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from genbench.errors import InputError
from genbench.files.atomic_write import atomic_write
from genbench.files.folder_paths import result_folder
from genbench.results import CriticRecord, Result, TrainingRecord, read_results

Stored = TypeVar("Stored")


@dataclass(frozen=True)
class WatchedStep:
    """What was measured at one step of a training."""

    step: int
    losses: Mapping[str, float]
    """Losses by name, as the sampler reported them."""
    validation: float
    """Value of the watched metric on the validation split; lower is better."""
    kept: bool
    """Whether the weights of this step were saved as the best ones so far."""
    seconds: float = 0.0
    """Duration of the training up to this step."""
    critic: CriticRecord | None = None
    """The critic's estimate of the distance; None on benchmarks whose density is unknown."""

    @property
    def quantities(self) -> dict[str, float]:
        """Every quantity that a chart shows, by name."""
        return {**self.losses, **self._estimate("claimed", "exact"), "validation": self.validation}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> WatchedStep:
        """Return the step of one JSON object, in which losses and the critic's estimate stand beside the other keys."""
        # the losses have names of the sampler's choice, so they are the keys that remain at the end
        losses = dict(data)
        known = {name: losses.pop(name) for name in ("step", "validation", "kept", "seconds") if name in data}
        critic = None
        # claimed_w1, exact_w1 and floor_w1 are one CriticRecord
        # a loss may have a similar name, so all three must exist
        for quantity in [name.removeprefix("claimed_") for name in data if name.startswith("claimed_")]:
            names = [f"{kind}_{quantity}" for kind in ("claimed", "exact", "floor")]
            if all(name in data for name in names):
                critic = CriticRecord(quantity, *(losses.pop(name) for name in names))
        return WatchedStep(losses=losses, critic=critic, **{**known, "kept": bool(known["kept"])})

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of this step."""
        measured = {**self.losses, **self._estimate("claimed", "exact", "floor"), "validation": self.validation}
        return {"step": self.step, **measured, "kept": float(self.kept), "seconds": self.seconds}

    def _estimate(self, *names: str) -> dict[str, float]:
        """Return numbers of the critic under keys that contain the quantity: ``claimed_w1``, ``exact_w1``."""
        return {f"{name}_{self.critic.quantity}": getattr(self.critic, name) for name in names} if self.critic else {}


@dataclass(frozen=True)
class History:
    """The watched steps of one training, in their order."""

    steps: tuple[WatchedStep, ...] = ()

    @property
    def chosen_step(self) -> int:
        """The last step whose weights were kept; 0 if there is none.

        Weights are kept if their validation value is at most one standard error above the best one before. Among
        checkpoints that cannot be distinguished, the one with the longest training is thus chosen.
        """
        return max((step.step for step in self.steps if step.kept), default=0)

    def before(self, step: int) -> tuple[WatchedStep, ...]:
        """Return the steps before ``step``."""
        return tuple(earlier for earlier in self.steps if earlier.step < step)

    def extended(self, step: WatchedStep) -> History:
        """Return the history up to a new step."""
        # a resumed training starts at its last checkpoint and measures the steps after it again
        return History((*self.before(step.step), step))


@dataclass(frozen=True)
class SampleGroup:
    """Some generated samples with their nearest reference samples."""

    rows: Sequence[int]
    """Indices of the generated samples."""
    nearest: Sequence[int]
    """Index of the nearest reference sample of each."""
    distances: Sequence[float]
    """Distance to it in feature space."""


@dataclass(frozen=True)
class SheetLayout:
    """How images lie on the sheet ``gallery.png``: each group of samples has a line of tiles for each of ``lines``."""

    lines: Sequence[str]
    """``sample``, ``nearest reference`` and, if the training set has images, ``nearest training image``."""
    columns: int
    width: int
    """Width and height of a tile in pixels."""
    height: int
    gap: int
    """Pixels between tiles and around them."""


class CountedDistance(NamedTuple):
    """A distance between N generated samples and an equal share of the reference."""

    samples: int
    """N."""
    value: float
    error: float | None


@dataclass(frozen=True)
class DistanceByCount:
    """The Frechet distance at several numbers of samples, to be drawn against 1/N."""

    name: str
    """Name of the score, ``fd@digits``."""
    rows: Sequence[CountedDistance]


@dataclass(frozen=True)
class Gallery:
    """What the report shows of one sampler's samples. A part that does not apply is empty."""

    count: int = 0
    reference_count: int = 0
    groups: Mapping[str, SampleGroup] = field(default_factory=dict)
    """Samples drawn at random (``random``), and those nearest to the reference (``typical``) and farthest (``odd``)."""
    median_distance: float | None = None
    """Median distance of a generated sample to its nearest reference sample."""
    reference_median_distance: float | None = None
    """Median distance of a reference sample to its nearest other reference sample."""
    by_count: DistanceByCount | None = None
    modes: Sequence[int] = ()
    """Number of generated samples in each mode."""
    reference_modes: Sequence[int] = ()
    marginal: Sequence[float] = ()
    """Mean predicted probability p(y) of each class."""
    reference_marginal: Sequence[float] = ()
    conditionals: Sequence[Sequence[float]] = ()
    """Predicted probabilities p(y|x) of the samples of the group ``random``."""
    points: Sequence[Sequence[float]] = ()
    """Two coordinates of each of the first generated points."""
    reference_points: Sequence[Sequence[float]] = ()
    picture: SheetLayout | None = None
    """Layout of ``gallery.png``; None if there is no such file."""

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Gallery:
        """Return the gallery of a JSON object; the inverse of ``to_json``."""
        # numbers and lists are stored as they are; only the three parts below are objects of their own
        values = {name: data[key] for name, key in _GALLERY_KEYS.items() if key in data}
        # samples with their neighbours
        values["groups"] = {
            name: SampleGroup(group["rows"], group["nearest"], group["distance"])
            for name, group in data.get("groups", {}).items()
        }
        # the distance by number of samples is a list of [N, value, error]
        if "by_count" in data:
            rows = [CountedDistance(*row) for row in data["by_count"]["rows"]]
            values["by_count"] = DistanceByCount(data["by_count"]["name"], rows)
        # "line" is the older name of the gap between tiles
        if "picture" in data:
            layout = dict(data["picture"])
            values["picture"] = SheetLayout(gap=layout.pop("line"), **layout)
        return Gallery(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``gallery.json``, without empty parts."""
        values = asdict(self)
        data = {key: values[name] for name, key in _GALLERY_KEYS.items() if values[name] not in (None, (), {})}
        # the same three parts as in from_json; asdict has converted the rest
        if self.groups:
            data["groups"] = {
                name: {"rows": group.rows, "nearest": group.nearest, "distance": group.distances}
                for name, group in self.groups.items()
            }
        if self.picture is not None:
            data["picture"]["line"] = data["picture"].pop("gap")
        return data


_GALLERY_KEYS = {each.name: each.name for each in fields(Gallery)} | {
    # two keys are older than the names of their fields
    "median_distance": "distance",
    "reference_median_distance": "reference_distance",
}
"""The key in ``gallery.json`` of each field of Gallery."""


class RunFolder:
    """The folder ``ROOT/BENCHMARK/SAMPLER/seed-N`` of one sampler with one training seed.

    ``benchmark`` is the name of the benchmark without its version. Not every folder has every file: a sampler without
    training has only a result, a gallery and the two pictures of samples.
    """

    def __init__(self, root: Path, benchmark: str, sampler: str, seed: int) -> None:
        self.sampler, self.seed = sampler, seed
        self.path = result_folder(root, benchmark, sampler, seed)
        # training: the state from which an interrupted training continues, the chosen weights, what was watched
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.best_weights = self.path / "best.safetensors"
        self._history = self.path / "history.jsonl"
        self.curves = self.path / "curves.png"
        # the TrainingRecord, written when the training is finished
        self._training = self.path / "training.json"
        # a grid of samples drawn at random, and the gallery with its sheet of samples and their neighbours
        self.samples = self.path / "samples.png"
        self._gallery = self.path / "gallery.json"
        self.sheet = self.path / "gallery.png"
        # the Result; it is written last and marks the trial as finished
        self.result = self.path / "result.jsonl"

    def read_history(self) -> History:
        """Return the watched steps, none without a file. Raises InputError if the file is damaged."""
        lines = self._history.read_text("utf-8").splitlines() if self._history.is_file() else []
        return History(tuple(_stored(WatchedStep.from_json, line, self._history) for line in lines))

    def write_history(self, history: History) -> None:
        """Write the watched steps, one JSON object a line."""
        _write_text(self._history, "".join(json.dumps(step.to_json()) + "\n" for step in history.steps))

    def read_gallery(self) -> Gallery:
        """Return the gallery, an empty one without a file. Raises InputError if the file is damaged."""
        return _stored_file(Gallery.from_json, self._gallery) or Gallery()

    def write_gallery(self, gallery: Gallery) -> None:
        """Write the gallery as one JSON object."""
        _write_text(self._gallery, json.dumps(gallery.to_json(), separators=(",", ":")) + "\n")

    def read_training(self) -> TrainingRecord | None:
        """Return the record of a finished training; None without a file. Raises InputError if the file is damaged."""
        return _stored_file(TrainingRecord.from_dict, self._training)

    def write_training(self, record: TrainingRecord) -> None:
        """Write the record of a finished training as one JSON object."""
        _write_text(self._training, json.dumps(record.to_dict(), indent=1) + "\n")

    def read_result(self) -> Result | None:
        """Return the result; None if the trial is not finished. Raises InputError if the file is damaged."""
        return read_results(self.result)[0] if self.result.exists() else None

    def write_result(self, result: Result) -> None:
        """Write the result, which marks the trial as finished."""
        _write_text(self.result, result.to_json() + "\n")


def _stored_file(from_json: Callable[[Mapping[str, Any]], Stored], path: Path) -> Stored | None:
    return _stored(from_json, path.read_text("utf-8"), path) if path.is_file() else None


def _stored(from_json: Callable[[Mapping[str, Any]], Stored], text: str, path: Path) -> Stored:
    """Return the record of a JSON text. Raises InputError, which names the file, if the text is damaged."""
    # any of these errors means that the text does not have the form that to_json writes
    try:
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("no JSON object")
        return from_json(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}); run the sampler again, or delete the file.") from error


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
