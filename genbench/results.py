"""What came out: a Result with its scores and their provenance, and its JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genbench.errors import InputError
from genbench.protocols import Better, Score

SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """A Score with the space it was measured in."""

    name: str
    """As people read it: ``fid``, or ``fd@digits`` in a space other than FID's Inception."""
    key: str
    """As machines read it: ``frechet_inception_distance``, ``frechet_distance@digits``."""
    value: float
    error: float | None
    better: Better | None
    space: str
    """The extractor's name."""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Party:
    """One side of a comparison."""

    name: str
    count: int | None
    fingerprint: str
    skipped: int = 0


@dataclass(frozen=True)
class Result:
    """Scores of one subject, with all that decides them."""

    name: str
    scores: tuple[Entry, ...]
    generated: Party
    reference: Party | None
    benchmark: str | None
    """``name@version`` of the recipe, where one was followed."""
    metrics: tuple[str, ...]
    """Each metric with all its options."""
    extractors: Mapping[str, str]
    """Each extractor's name and identity: weights hash, preprocessing."""
    seed: int
    device: str
    batch_size: int
    created: str
    seconds: float
    versions: Mapping[str, str]
    backends: Mapping[str, str] = field(default_factory=dict)
    """Each extractor's name and what computed its views; all backends of one identity agree to rounding."""
    training: Mapping[str, Any] | None = None
    """Of a sampler that ``run`` trained: budget, seed, steps, seconds, the chosen step and by what, instability."""
    warnings: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of that short or long name; KeyError lists the names there are."""
        for entry in self.scores:
            if name in (entry.name, entry.key):
                return entry
        raise KeyError(f"{name!r}; this result has {', '.join(entry.name for entry in self.scores)}")

    @property
    def values(self) -> dict[str, float]:
        """Every number by its long name, spreads and standard errors included."""
        values: dict[str, float] = {}
        for entry in self.scores:
            values[entry.key] = entry.value
            if entry.error is not None:
                values[_suffixed(entry.key, "_error")] = entry.error
            if "std" in entry.detail:
                values[_suffixed(entry.key, "_std").replace("_mean_std", "_std")] = float(entry.detail["std"])
        return values

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain data, and ``values`` flat beside them."""
        return {"schema": SCHEMA, **asdict(self), "values": self.values}

    def to_json(self) -> str:
        """Return one line of JSON (NaN and infinity as null: JSON has no such numbers)."""
        text = json.dumps(_plain(self.to_dict()), ensure_ascii=False, allow_nan=False)
        return text.encode(errors="replace").decode()  # the name of a file need not be text

    def append(self, path: Path) -> None:
        """Add this result as one line at the end of a JSON-lines file."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(self.to_json() + "\n")  # one write of one line: two processes do not mix
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}); choose another file with --to.") from error


def read_results(path: Path) -> list[Result]:
    """Read a JSON-lines file of results. Raises InputError naming the file and the line that is none."""
    results = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as results ({error}); give a file that --to wrote.") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            results.append(_result(line, f"{path}, line {number}"))
    return results


def entry(score: Score, space: str, *, canonical: bool) -> Entry:
    """Name a score after its space: only Inception-v3 with the TF-ported weights may be called FID or KID."""
    name, key, detail = score.name, getattr(score, "key", None) or score.name, dict(getattr(score, "detail", {}))
    if canonical:
        return Entry(name, key, float(score.value), score.error, score.better, space, detail)
    for inception, general in (("fid", "fd"), ("kid", "kd")):
        if name == inception or name.startswith(f"{inception}_"):
            name = general + name[len(inception) :]
    general_key = key.replace("_inception_distance", "_distance")
    named = f"{name}@{space}"
    return Entry(named, f"{general_key}@{space}", float(score.value), score.error, score.better, space, detail)


def _result(line: str, where: str) -> Result:
    try:
        data = json.loads(line)
        if data.pop("schema") != SCHEMA:
            raise ValueError("written by another version")
        data.pop("values")
        nan = float("nan")
        data["scores"] = tuple(
            Entry(**{**score, "value": nan if score["value"] is None else score["value"]}) for score in data["scores"]
        )
        data["generated"] = Party(**data["generated"])
        data["reference"] = Party(**data["reference"]) if data["reference"] else None
        for name in ("metrics", "warnings", "hints"):
            data[name] = tuple(data[name])
        return Result(**data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} is not a result of genbench ({error}); give a file that --to wrote.") from error


def _suffixed(key: str, suffix: str) -> str:
    name, at, space = key.partition("@")
    return name + suffix + at + space


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy numbers and arrays
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
