"""What a run keeps beside a result for people to look at: typical and odd samples with their nearest neighbours,
predictions, the histogram of modes, points, and the Frechet distance of parts. Made once; the page only draws it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.arrays import Array, Float64
from genbench.features.features import Features
from genbench.files.atomic_write import atomic_write
from genbench.plugs import registry
from genbench.plugs.contracts import Metric, Source
from genbench.plugs.opening import open_source
from genbench.plugs.specs import parse_specs
from genbench.results import entry
from genbench.runs.pictures import grid_figure, sheet
from genbench.scoring.options import Options
from genbench.scoring.sides import Sides, open_sides

if TYPE_CHECKING:
    from genbench.benchmarks import Benchmark

SHOWN = 8
"""How many samples a group shows."""

GRID = 64
"""How many samples, drawn at random, the plain grid shows."""

POINTS = 1000
"""How many points are kept of each side; the first ones, which are as good as any."""

FEW_CLASSES = 100
"""Up to here predictions are kept class by class."""

PARTS = (4, 2)
"""The Frechet distance is also taken on this many parts of both sides, to be drawn against 1/N."""


def write_gallery(subject: object, recipe: Benchmark, *, seed: int, folder: Path) -> None:
    """Write ``samples.png``, ``gallery.json`` and, of images, ``gallery.png`` into the folder of a result.

    ``subject`` and ``seed`` are those of the score, so the same samples are looked at again; the store knows their
    features. Raises what scoring raises.
    """
    how = Options(reference=recipe.reference, features=recipe.features, count=recipe.count, seed=seed, progress=False)
    look = _Look(open_sides(subject, how), recipe)
    source = look.sides.generated
    some = np.random.default_rng(seed).choice(len(source), min(GRID, len(source)), replace=False)
    grid_figure(np.stack(_rows(source, some.tolist())), folder / "samples.png")
    found = look.everything(folder / "gallery.png")
    with atomic_write(folder / "gallery.json") as temporary:
        temporary.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Look:
    sides: Sides
    recipe: Benchmark

    def everything(self, picture: Path) -> dict[str, Any]:
        space = self.sides.default_extractor
        generated, reference = self.sides.features("generated", space), self.sides.features("reference", space)
        source, theirs = self.sides.generated, self.sides.rows
        found: dict[str, Any] = {"count": len(generated), "reference_count": len(reference)}
        shown: dict[str, list[int]] = {}
        if "embedding" in generated.views:
            shown, about = _groups(generated["embedding"], reference["embedding"], self.sides.options.seed)
            found |= about | self._by_count(generated, reference)
        if "mode" in generated.views:
            found |= _modes(generated, reference)
        if "logits" in generated.views:
            found |= _predictions(generated["logits"], reference["logits"], shown.get("random", []))
        if not isinstance(theirs, Features) and theirs is not None and shown:
            found |= self._seen(source, theirs, shown, found, picture)
        return found

    def _seen(
        self, source: Source, reference: Source, shown: Mapping[str, list[int]], found: dict[str, Any], picture: Path
    ) -> dict[str, Any]:
        """Return the points, or write the picture of images and return how it is laid out."""
        first = _rows(source, [0])[0]
        if first.ndim == 1:
            sides = {"points": source, "reference_points": reference}
            return {name: _points(side) for name, side in sides.items()}
        order = [row for rows in shown.values() for row in rows]
        own = _rows(source, order)
        near = _rows(reference, [row for group in found["groups"].values() for row in group["nearest"]])
        lines = {"sample": own, "nearest reference": near}
        training = _nearest_training(own, open_source(self.recipe.train))
        if training is not None:
            lines["nearest training image"] = training
        if len({image.shape for images in lines.values() for image in images}) != 1:
            return {}  # images of unlike sizes do not lie on one sheet
        columns = len(next(iter(shown.values())))
        tiles = [
            image
            for start in range(0, len(order), columns)
            for images in lines.values()
            for image in images[start : start + columns]
        ]
        written = sheet(np.stack(tiles), columns, picture)
        return {"picture": {"lines": list(lines), "columns": columns, **written}}

    def _by_count(self, generated: Features, reference: Features) -> dict[str, Any]:
        """Return the Frechet distance at N and of disjoint parts of both sides, where the recipe has it."""
        specs = [spec for spec in parse_specs(self.recipe.metrics) if spec.name in ("fid", "fd")]
        if not specs or specs[0].extractor is not None:
            return {}
        metric: Metric = registry.load("metrics", specs[0])
        extractor = self.sides.extractor(self.sides.default_extractor)
        sides = generated["embedding"], reference["embedding"]
        size, smaller = sides[0].shape[1], min(map(len, sides))
        rows = []
        for parts in (*PARTS, 1):
            if smaller // parts <= size:  # a singular covariance follows another law
                continue
            values = [_distance(metric, *pair) for pair in zip(*(_split(side, parts) for side in sides), strict=True)]
            spread = float(np.std(values, ddof=1) / np.sqrt(parts)) if parts > 1 else None
            rows.append([len(generated) // parts, _short(np.mean(values)), None if spread is None else _short(spread)])
        if len(rows) < 2:
            return {}
        score = metric(Features.of(embedding=sides[0]), Features.of(embedding=sides[1]), seed=0)[0]
        rows[-1][1:] = [_short(score.value), None if score.error is None else _short(score.error)]
        name = entry(score, extractor.name, canonical=bool(getattr(extractor, "canonical", False))).name
        return {"by_count": {"name": name, "rows": rows}}


def _groups(generated: Array, reference: Array, seed: int) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """Choose random, most and least typical rows: by the distance to the nearest reference row."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=1).fit(reference)
    distance, nearest = (found[:, 0] for found in search.kneighbors(generated))
    own = search.kneighbors(n_neighbors=1)[0] if len(reference) > 1 else np.zeros(1)
    order = np.argsort(distance, kind="stable")
    few = min(SHOWN, len(generated))
    chosen = {
        "random": np.sort(np.random.default_rng(seed).choice(len(generated), few, replace=False)),
        "typical": order[:few],
        "odd": order[-few:][::-1],
    }
    groups = {
        name: {"rows": rows.tolist(), "nearest": nearest[rows].tolist(), "distance": _shorts(distance[rows])}
        for name, rows in chosen.items()
    }
    about = {"groups": groups, "distance": _short(np.median(distance)), "reference_distance": _short(np.median(own))}
    return {name: group["rows"] for name, group in groups.items()}, about


def _modes(generated: Features, reference: Features) -> dict[str, Any]:
    sides = {"modes": generated["mode"], "reference_modes": reference["mode"]}
    total = generated.modes or max(int(side.max()) for side in sides.values()) + 1
    return {name: np.bincount(side, minlength=total).tolist() for name, side in sides.items()}


def _predictions(generated: Array, reference: Array, shown: Sequence[int]) -> dict[str, Any]:
    if generated.shape[1] > FEW_CLASSES:
        return {}
    ours, theirs = _softmax(generated), _softmax(reference)
    return {
        "marginal": _shorts(ours.mean(axis=0)),
        "reference_marginal": _shorts(theirs.mean(axis=0)),
        "conditionals": [_shorts(ours[row], 3) for row in shown],
    }


def _softmax(logits: Array) -> Float64:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _distance(metric: Metric, generated: Array, reference: Array) -> float:
    scores = metric(Features.of(embedding=generated), Features.of(embedding=reference), seed=0)
    return float(scores[0].value)


def _split(rows: Array, parts: int) -> list[Array]:
    """Return disjoint parts of equal size, shuffled by a fixed seed: rows may lie in the order of classes."""
    size = len(rows) // parts
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[order[part * size : (part + 1) * size]] for part in range(parts)]


def _rows(source: Source, wanted: Sequence[int]) -> list[Array]:
    """Return some rows of a source: images as uint8 [H, W, 3], points as float32 [D]."""
    found: dict[int, Array] = {}
    places, last = set(wanted), max(wanted) + 1
    for batch in source.batches(256, 0, last):
        for at, row in enumerate(batch.index.tolist()):
            if row in places:
                data = batch.data[at].numpy()
                found[row] = data.transpose(1, 2, 0) if data.ndim == 3 else data
    return [found[row] for row in wanted]


def _points(source: Source) -> list[list[float]]:
    """Return the first two coordinates of the first points."""
    rows = np.stack(_rows(source, range(min(POINTS, len(source)))))
    return [_shorts(point, 4) for point in rows[:, :2]]


def _nearest_training(images: Sequence[Array], training: object) -> list[Array] | None:
    """Return the training image nearest in pixels to each image, or None where sizes differ."""
    if not isinstance(training, Source) or len({image.shape for image in images}) != 1:
        return None
    ours = np.stack(images).reshape(len(images), -1).astype(np.float32)
    best, found = np.full(len(images), np.inf), list(images)
    for batch in training.batches(256):
        if isinstance(batch.data, list) or batch.data.ndim != 4:
            return None
        data = batch.data.permute(0, 2, 3, 1).numpy()
        if data.shape[1:] != images[0].shape:
            return None
        theirs = data.reshape(len(data), -1).astype(np.float32)
        # whole numbers up to 255^2 * pixels: float64 keeps them exact
        apart = (ours**2).sum(1, dtype=np.float64)[:, None] + (theirs**2).sum(1, dtype=np.float64)
        apart -= 2 * ours.astype(np.float64) @ theirs.T.astype(np.float64)
        at = apart.argmin(axis=1)
        for row in np.flatnonzero(apart[np.arange(len(ours)), at] < best):
            best[row], found[row] = apart[row, at[row]], data[at[row]]
    return found


def _short(value: Any, digits: int = 5) -> float:
    return float(f"{float(value):.{digits}g}")


def _shorts(values: Any, digits: int = 4) -> list[float]:
    return [_short(value, digits) for value in values]
