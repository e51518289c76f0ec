"""Open the generated side of a score: samples, a sampler with a count, or features that were computed before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genbench.derived_sources import Drawn, subset
from genbench.errors import InputError, MissingWeightsError, PlugError, UsageError, guest_code
from genbench.features.chosen_rows import chosen_rows
from genbench.features.features import Features
from genbench.plugs.contracts import Extractor, Sampler, Source
from genbench.plugs.opening import open_extractor, open_reference, open_subject
from genbench.plugs.registry import installed
from genbench.scoring.default_extractor import RUN_CODE
from genbench.scoring.label_sampling import with_requests
from genbench.scoring.options import Options

FEATURES_FILE = ".safetensors"
"""Extension of the files of ``Features.save``, which `genbench stats --out` writes."""


def open_generated(subject: object) -> Source | Sampler | Features:
    """Return samples, a sampler, or features: an object, or what a file of genbench holds.

    Raises what ``open_subject`` raises, and InputError for a damaged file of features.
    """
    if isinstance(subject, Features):
        return subject
    path = Path(subject).expanduser() if isinstance(subject, (str, Path)) else None
    if path is not None and path.suffix.lower() == FEATURES_FILE and path.is_file():
        features, _ = open_reference(path)
        if isinstance(features, Features):
            return features
    return open_subject(subject)


def with_count(opened: Source | Sampler | Features, options: Options) -> Source | Sampler | Features:
    """Return as many rows as are asked for, drawn by the seed; a sampler is returned as it is.

    Raises InputError if there are fewer.
    """
    count = options.count
    if count is None or not isinstance(opened, (Source, Features)):
        return opened
    if isinstance(opened, Source):
        # a stream that may have no end is read only as far as needed
        read_at_most = getattr(opened, "read_at_most", None)
        if read_at_most is not None:
            read_at_most(count)
        return subset(opened, count, options.seed)
    if count > len(opened):
        raise InputError(f"{opened.name} holds {len(opened):,} rows, but {count:,} are asked for; ask for fewer.")
    return chosen_rows(opened, np.sort(np.random.default_rng(options.seed).choice(len(opened), count, replace=False)))


def drawn(sampler: Sampler, subject: object, options: Options, rows: Source | Features | None) -> Drawn:
    """Return the samples of a sampler, as many as the reference has if no count is given."""
    count = options.count if options.count is not None or rows is None else len(rows)
    if count is None:
        raise UsageError("A sampler has no end: say how many samples to draw with --count N (count=N in Python).")
    with guest_code(f"The sampler of class {type(sampler).__name__}"):
        name = subject if isinstance(subject, str) else getattr(sampler, "name", type(sampler).__name__)
    source = Drawn(sampler, count, options.seed, options.name or str(name))
    return source if options.labels is None else with_requests(source, options.labels, rows)


@dataclass(frozen=True)
class AbsentExtractor:
    """Stands for the extractor of features from a file, which cannot be computed again here."""

    name: str
    identity: str

    def __call__(self, data: Any) -> dict[str, Any]:
        """Raise PlugError."""
        raise PlugError(
            f"The extractor {self.name!r} of the features is not here, so only features from files can be compared "
            "with them; give such a file for the other side as well, or name the extractor with --features."
        )


def extractor_of(features: Features, device: str) -> Extractor:
    """Return the extractor that computed features; if it is not installed or not the same, what stands for it."""
    name = features.extractor or "features"
    plug = name.partition(",")[0]
    # a module of a guest or a TorchScript program runs code, which only the user may ask for
    if plug in installed("extractors") and plug not in RUN_CODE:
        with suppress(MissingWeightsError, UsageError):
            extractor = open_extractor(name, device=device)
            if extractor.identity == features.identity:
                return extractor
    return AbsentExtractor(name, features.identity)
