"""What came out: a Result with its scores and their provenance, and its JSON lines."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genbench.errors import InputError
from genbench.protocols import Better, Parts, Score

SCHEMA = 1

CHANGED: tuple[tuple[int, ...], ...] = ()
"""Versions of genbench in which a score became another number: results from before and after do not mix."""


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
    parts: Parts | None = None
    """Where the error comes from, by groups of rows: lets the error of a difference be told."""


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
    def protocol(self) -> dict[str, str]:
        """Every field that decides whether this result may be compared with another, as text.

        The seed is one of them only without a recipe and without training: under a recipe it tells replicates apart.
        """
        fields = {"benchmark": self.benchmark or "none", "count": str(self.generated.count)}
        reference = self.reference
        fields["reference"] = reference.fingerprint[:12] if reference else "none"
        fields["reference count"] = str(reference.count) if reference else "none"
        networks = [name.partition(",")[0] for name in self.extractors]
        for (name, identity), network in zip(self.extractors.items(), networks, strict=True):
            fields |= _traits(network if networks.count(network) == 1 else name, identity)
        for metric in sorted(set(self.metrics)):
            kind = f"metric {metric.partition('(')[0]}"
            fields[kind] = f"{fields[kind]}, {metric}" if kind in fields else metric
        if self.benchmark is None and self.training is None:
            fields["seed"] = str(self.seed)
        return fields | _era(self.versions.get("genbench", ""))

    @property
    def protocol_fingerprint(self) -> str:
        """A short hash of ``protocol``."""
        return hashlib.sha256(json.dumps(self.protocol, sort_keys=True).encode()).hexdigest()[:12]

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
    parts = getattr(score, "parts", None)
    if canonical:
        return Entry(name, key, float(score.value), score.error, score.better, space, detail, parts)
    for inception, general in (("fid", "fd"), ("kid", "kd")):
        if name == inception or name.startswith(f"{inception}_"):
            name = general + name[len(inception) :]
    general_key = key.replace("_inception_distance", "_distance")
    named = f"{name}@{space}"
    return Entry(named, f"{general_key}@{space}", float(score.value), score.error, score.better, space, detail, parts)


def _result(line: str, where: str) -> Result:
    try:
        data = json.loads(line)
        if data.pop("schema") != SCHEMA:
            raise ValueError("written by another version")
        data.pop("values")
        data["scores"] = tuple(_entry(**score) for score in data["scores"])
        data["generated"] = Party(**data["generated"])
        data["reference"] = Party(**data["reference"]) if data["reference"] else None
        for name in ("metrics", "warnings", "hints"):
            data[name] = tuple(data[name])
        return Result(**data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} is not a result of genbench ({error}); give a file that --to wrote.") from error


def _entry(value: float | None, parts: Mapping[str, list[float]] | None = None, **rest: Any) -> Entry:
    found = Parts(**{side: tuple(groups) for side, groups in parts.items()}) if parts else None
    return Entry(value=float("nan") if value is None else value, parts=found, **rest)


def _traits(name: str, identity: str) -> dict[str, str]:
    """Name what an extractor's identity says, each trait by itself where it has a name that people know."""
    known = r"\b(resize|weights|dtype)='?([^,')]*)'?"
    fields = {f"{name} {trait}": value[:12] for trait, value in re.findall(known, identity)}
    rest = re.sub(known, "", identity)
    if len(rest) > 60:
        rest = f"{rest[:30]}... {hashlib.sha256(rest.encode()).hexdigest()[:8]}"
    return {name: rest, **fields}


def _era(version: str) -> dict[str, str]:
    """Say of which genbench a result is, where that matters."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version))
    passed = [change for change in CHANGED if change <= numbers]
    return {"genbench": ".".join(map(str, passed[-1]))} if passed else {}


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
