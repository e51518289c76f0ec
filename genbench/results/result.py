"""Results: the scores of one subject with everything that decides them, and their JSON-lines files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from genbench.files.json_lines import append_json_line, read_json_lines
from genbench.files.json_records import Count, Must, Time, plain_data, read_record
from genbench.plugs.contracts import GROUPS, Better, Influence
from genbench.plugs.requested_classes import LABEL_RULES
from genbench.results.display import html_table, number_text
from genbench.results.protocol import extractor_fields, identity_fields, last_change, metric_fields
from genbench.results.rounding import ARROWS
from genbench.results.training_record import TrainingRecord

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
"""Version of the JSON format."""
SHOWN_SCORES = 3
"""Number of scores in the one line that a result shows in a terminal."""

Level = Annotated[int, Must("from 0 to 255", lambda level: 0 <= level <= 255)]
GroupInfluence = Annotated[
    Influence,
    Must(f"lists of {GROUPS} numbers", lambda parts: {len(parts.generated), len(parts.reference)} <= {0, GROUPS}),
]


@dataclass(frozen=True, repr=False)
class Entry:
    """A score together with the extractor whose features it was computed from."""

    name: str
    """Name for people: ``fid``, or ``fd@digits`` if the extractor is not FID's Inception."""
    key: str
    """Name for programs: ``frechet_inception_distance``, ``frechet_distance@digits``."""
    value: float
    error: Annotated[float, Must("0 or more", lambda error: not error < 0)] | None
    """Standard error of ``value``; None if unknown."""
    better: Better | None
    extractor: str = field(metadata={"json": "space"})
    """The extractor's name. It has an older name in JSON, as ``influence`` has."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    influence: GroupInfluence | None = field(default=None, metadata={"json": "parts"})
    """Influence of groups of rows on the score; needed for the standard error of a difference."""
    interval: tuple[float, float] | None = None
    """Ends of the 95 % confidence interval if it is not ``value`` ± 1.96 ``error``, as for shares near 0 or 1."""

    def __repr__(self) -> str:
        return f"<Entry {self.name!r}: {number_text(self.value, self.error)}>"


@dataclass(frozen=True)
class SampleSet:
    """A set of samples that was scored or compared with."""

    name: str
    count: Count | None
    """Number of samples; None if a statistics file does not say."""
    fingerprint: str
    """Hash of the contents."""
    skipped: Count = 0
    """Number of samples that could not be decoded and were left out."""
    left_out: Mapping[str, Count] = field(default_factory=dict)
    """What the source holds and does not use: the number of things by their plural name, ``{"hidden files": 2}``."""
    levels: tuple[Level, Level] | None = None
    """Lowest and highest pixel value (0..255) of all images; None for points, and if unknown."""
    sha256: str = ""
    """Checksum of the file of a reference ``stats:NAME``; empty for other samples."""
    labels: str = ""
    """How the publisher of such statistics draws the labels of generated samples: random, equal, or unknown (empty)."""
    slices: str = ""
    """The planes and volumes of slices of volumes: ``axial of 12 volumes``; empty for other samples."""


@dataclass(frozen=True, repr=False)
class Result:
    """Scores of one subject, with everything that decides them."""

    name: str
    scores: tuple[Entry, ...]
    generated: SampleSet
    reference: SampleSet | None
    benchmark: str | None
    """``NAME@VERSION`` of the benchmark; None without one."""
    metrics: tuple[str, ...]
    """Each metric with all its options."""
    extractors: Mapping[str, str]
    """Name and identity (weights hash, preprocessing) of each extractor."""
    seed: int
    device: str
    batch_size: Count
    created: Time
    """Time of creation, ISO 8601 in UTC."""
    seconds: float
    versions: Mapping[str, str]
    backends: Mapping[str, str] = field(default_factory=dict)
    """Backend of each extractor, by name. Backends of one identity agree up to rounding."""
    training: TrainingRecord | None = None
    """Set if ``run`` made this result."""
    warnings: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    spec: str = ""
    """What the user typed for the subject, a path or a spec; empty for a Python object and in older files."""
    command: str = ""
    """The whole command line; empty if Python code or an older version made this result."""
    commit: str = ""
    """Commit of the folder from which it was made, with ``-dirty`` if files had changed; empty outside of git."""
    labels: str | None = None
    """How the samples got their classes: a rule of LABEL_RULES if they were requested, ``given, equal counts`` or
    ``given, unequal counts`` if the samples came with them, empty without classes; None in older files."""
    decision: Mapping[str, Any] | None = None
    """The looks of a sequential gate, as ``SequentialRecord.to_dict`` returns them; None without one."""
    train: SampleSet | None = None
    """The training samples of the subject, if a metric of memorisation read them."""
    floor: SampleSet | None = None
    """The held-out real samples that are the unit of a panel."""
    metric_extractors: tuple[str, ...] = ()
    """The name of the extractor of each metric, empty for a panel; nothing at all in older files."""

    def __getitem__(self, name: str) -> Entry:
        """Return the entry with that name: ``fd@digits``, or ``fd`` if one extractor has it. A KeyError lists all."""
        # a whole name comes before a part of one
        named = [entry for entry in self.scores if name in (entry.name, entry.key)]
        named = named or [entry for entry in self.scores if name == entry.name.partition("@")[0]]
        if len(named) == 1:
            return named[0]
        raise KeyError(f"{name!r}; this result has {', '.join(entry.name for entry in named or self.scores)}")

    def __repr__(self) -> str:
        scores = [f"{entry.name} {number_text(entry.value, entry.error)}" for entry in self.scores[:SHOWN_SCORES]]
        more = len(self.scores) - len(scores)
        return f"<Result {self.name!r}: {', '.join(scores)}{f' and {more} more' if more else ''}>"

    def _repr_html_(self) -> str:
        rows = [
            [entry.name, number_text(entry.value, entry.error), ARROWS[entry.better], entry.extractor]
            for entry in self.scores
        ]
        against = f" against {self.reference.name}" if self.reference else ""
        return html_table(f"{self.name}{against}", ["score", "value", "", "extractor"], rows)

    def to_frame(self) -> pd.DataFrame:
        """Return a DataFrame with one row per score and the columns name, value, error, better, extractor and key."""
        import pandas as pd

        columns = ("name", "value", "error", "better", "extractor", "key")
        return pd.DataFrame([[getattr(entry, name) for name in columns] for entry in self.scores], columns=columns)

    @property
    def budget(self) -> str:
        """The training budget; empty if ``run`` did not make this result."""
        return self.training.budget if self.training else ""

    @property
    def replicate_seed(self) -> int:
        """The seed that distinguishes replicates: the training seed, or the seed of the samples without training."""
        return self.training.seed if self.training else self.seed

    @property
    def label_rule(self) -> str:
        """How classes were requested of the sampler, one of LABEL_RULES; empty if none were requested."""
        # in older files the classes took turns; only samples with classes have a consistency
        if self.labels is None:
            return "equal" if any(entry.name.startswith("class_consistency") for entry in self.scores) else ""
        return self.labels if self.labels in LABEL_RULES else ""

    @property
    def placed_metrics(self) -> list[tuple[str, str]]:
        """Each metric with the name of its extractor; the text is empty for a panel, which has several."""
        if self.metric_extractors:
            return list(zip(self.metrics, self.metric_extractors, strict=True))
        # older files do not say where a metric was evaluated, so that it counts everywhere
        return [
            (metric, name)
            for metric in self.metrics
            for name in ([""] if metric.startswith("PanelScore(") else self.extractors or [""])
        ]

    @cached_property
    def protocol(self) -> dict[str, str]:
        """All fields, as text, that decide whether this result may be compared with another one.

        The seed is such a field only without a benchmark and without training; otherwise it distinguishes replicates.
        """
        # the generated samples and the reference; a benchmark fixes how classes are requested
        fields = {"benchmark": self.benchmark or "none", "count": str(self.generated.count)}
        fields |= {"labels": self.label_rule} if self.benchmark is None and self.label_rule else {}
        fields |= {"slices": self.generated.slices} if self.generated.slices else {}
        # results without training samples or a floor keep the protocol that they had in older versions
        further = [(role, samples) for role, samples in (("train", self.train), ("floor", self.floor)) if samples]
        for role, samples in [("reference", self.reference), *further]:
            fields[role] = samples.fingerprint[:12] if samples else "none"
            fields[f"{role} count"] = str(samples.count) if samples else "none"
        # extractors, and the metrics of each of them with all their options
        fields |= extractor_fields(self.extractors) | metric_fields(self.placed_metrics)
        # the seed, and the version of genbench if the value of a score has changed since
        if self.benchmark is None and self.training is None:
            fields["seed"] = str(self.seed)
        return fields | last_change(self.versions.get("genbench", ""))

    @cached_property
    def comparable(self) -> dict[str, str]:
        """The protocol, the extractors under their full names, and the direction of each score, as text.

        Results may be compared if the fields that they have in common are equal.
        """
        # a score whose better direction is flipped is another score
        directions = {f"direction of {entry.name}": entry.better or "none" for entry in self.scores}
        return {**self.protocol, **directions, **identity_fields(self.extractors)}

    @property
    def protocol_fingerprint(self) -> str:
        """A short hash of ``protocol``."""
        return hashlib.sha256(json.dumps(self.protocol, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def values(self) -> dict[str, float]:
        """Every number by its name, ``fd@digits``; errors and spreads have names such as ``fd_error@digits``."""
        values: dict[str, float] = {}
        for entry in self.scores:
            values[entry.name] = entry.value
            if entry.error is not None:
                values[_suffixed(entry.name, "_error")] = entry.error
            # a guest's metric may have a detail of this name that is no number
            if isinstance(entry.detail.get("std"), Real):
                values[_suffixed(entry.name, "_std")] = float(entry.detail["std"])
        return values

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain data, and the flat ``values`` beside them."""
        fields = asdict(self)
        for score in fields["scores"]:
            for each in dataclasses.fields(Entry):
                score[each.metadata.get("json", each.name)] = score.pop(each.name)
        fields["training"] = self.training.to_dict() if self.training else None
        return {"schema": SCHEMA, **fields, "values": self.values}

    def to_json(self) -> str:
        """Return one line of JSON. NaN and infinity become null, because JSON has no such numbers."""
        # the name of a file need not be valid text
        text = json.dumps(plain_data(self.to_dict()), ensure_ascii=False, allow_nan=False)
        return text.encode(errors="replace").decode()

    def append(self, path: str | Path) -> None:
        """Append this result to a JSON-lines file. Raises InputError if that fails, or would make it unreadable."""
        append_json_line(Path(path), self.to_json(), _result, advice="choose another file with --to")


def read_results(path: str | Path) -> list[Result]:
    """Read a JSON-lines file. An incomplete last line is skipped with a warning, other lines raise InputError."""
    return read_json_lines(Path(path), _result, noun="a result of genbench", advice="give a file that --to wrote")


def results_of(results: str | Path | Sequence[Result]) -> Sequence[Result]:
    """Return the results of a file, or the results that are given."""
    return read_results(results) if isinstance(results, (str, Path)) else results


def _result(data: Any) -> Result:
    """Return the result of a JSON object. Raises ValueError."""
    if not isinstance(data, dict):
        raise ValueError("it is no object")
    # the values are for other readers: each score has its own
    schema = data.pop("schema", None)
    if type(schema) is not int or schema != SCHEMA:
        raise ValueError("written by another version" if "scores" in data else "schema is missing")
    data.pop("values", None)
    result = read_record(Result, data)
    if len(result.metric_extractors) not in (0, len(result.metrics)):
        raise ValueError(f"it has {len(result.metrics)} metrics and {len(result.metric_extractors)} metric_extractors")
    # a name that occurs twice would hide one of the two values
    names = [entry.name for entry in result.scores]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"it has the score {twice!r} twice")
    return result


def _suffixed(key: str, suffix: str) -> str:
    """Insert a suffix before the ``@`` of a key."""
    name, at, extractor = key.partition("@")
    return name + suffix + at + extractor
