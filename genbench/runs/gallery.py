"""Make the gallery of a result: samples with their nearest neighbours, predictions, modes, points and the Frechet
distance by number of samples. ``run`` makes it once and the report only draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.array_types import Array, Float64
from genbench.errors import InputError
from genbench.features.features import Features
from genbench.plugs import registry
from genbench.plugs.contract_checks import read_batches
from genbench.plugs.contracts import Extractor, Metric, Score, Source
from genbench.plugs.opening import open_source
from genbench.runs.folder import RunFolder
from genbench.runs.gallery_record import CountedDistance, DistanceByCount, Gallery, SampleGroup
from genbench.runs.pictures import grid_figure, write_sheet
from genbench.scoring.evaluate_metrics import entry
from genbench.scoring.metric_lists import metric_specs
from genbench.scoring.options import Options
from genbench.scoring.sides import Sides, open_sides

if TYPE_CHECKING:
    from genbench.benchmarks import Benchmark

GROUP_SIZE = 8
"""Number of samples in a group."""

GRID_SIZE = 64
"""Number of samples, drawn at random, in the plain grid."""

SHOWN_POINTS = 1000
"""Number of points of each side in a scatter: the first ones, because their order is random anyway."""

MOST_CLASSES = 100
"""Predictions are stored class by class only up to this number of classes."""

PART_COUNTS = (4, 2)
"""The Frechet distance is also computed on both sides cut into this many parts, to be drawn against 1/N."""


def write_gallery(subject: object, recipe: Benchmark, *, seed: int, folder: RunFolder) -> None:
    """Write ``samples.png``, ``gallery.json`` and, for images, ``gallery.png`` into the folder of a result.

    ``subject`` and ``seed`` are those of the score: then the samples are the same and their features are in the
    store. Raises the errors of ``score``.
    """
    options = replace(Options(seed=seed, progress=False).completed(recipe), metrics=None)
    sides = open_sides(subject, options)
    source = sides.generated
    assert not isinstance(source, Features)  # a run scores samples
    # a plain grid of samples drawn at random
    drawn = np.random.default_rng(seed).choice(len(source), min(GRID_SIZE, len(source)), replace=False)
    grid_figure(np.stack(take_rows(source, drawn.tolist())), folder.samples)
    # what comes from features, then the samples themselves
    gallery = _with_samples(_feature_gallery(sides, recipe), sides, recipe, folder)
    folder.write_gallery(gallery)


def _feature_gallery(sides: Sides, recipe: Benchmark) -> Gallery:
    """Return the parts of a gallery that come from features alone."""
    name = sides.default_extractor
    generated, reference = sides.features("generated", name), sides.features("reference", name)
    gallery = Gallery(len(generated), len(reference))
    # each view of the features has its own parts
    if "embedding" in generated.views:
        gallery = _with_neighbours(gallery, generated["embedding"], reference["embedding"], sides.options.seed)
        if "train" in sides.further:
            gallery = _with_copies(gallery, generated, reference, sides.features("train", name))
        gallery = replace(gallery, by_count=_distance_by_count(generated, reference, recipe, sides.extractor(name)))
    if "mode" in generated.views:
        gallery = _with_modes(gallery, generated, reference)
    if "logits" in generated.views and generated["logits"].shape[1] <= MOST_CLASSES:
        gallery = _with_predictions(gallery, generated["logits"], reference["logits"])
    return gallery


def _with_samples(gallery: Gallery, sides: Sides, recipe: Benchmark, folder: RunFolder) -> Gallery:
    """Add the samples themselves: coordinates of points, or a sheet of images."""
    source, reference = sides.generated, sides.rows
    if reference is None or isinstance(reference, Features) or isinstance(source, Features) or not gallery.groups:
        return gallery
    if take_rows(source, [0])[0].ndim == 1:
        return replace(gallery, points=_first_points(source), reference_points=_first_points(reference))
    # images: every shown sample, its nearest reference sample and its nearest training image
    groups = gallery.groups.values()
    generated = take_rows(source, [row for group in groups for row in group.rows])
    lines = {
        "sample": generated,
        "nearest reference": take_rows(reference, [row for group in groups for row in group.nearest]),
    }
    training = _nearest_training_images(generated, open_source(recipe.train))
    if training is not None:
        lines["nearest training image"] = training
    # images of different sizes do not fit on one sheet
    if len({image.shape for images in lines.values() for image in images}) != 1:
        return gallery
    # each group has its samples, then their nearest reference samples, then their nearest training images
    columns = len(gallery.groups["random"].rows)
    tiles = [
        image
        for start in range(0, len(generated), columns)
        for images in lines.values()
        for image in images[start : start + columns]
    ]
    return replace(gallery, picture=write_sheet(np.stack(tiles), folder.sheet, lines=list(lines), columns=columns))


def _with_neighbours(gallery: Gallery, generated: Array, reference: Array, seed: int) -> Gallery:
    """Add random, most typical and least typical rows, by their distance to the nearest reference row."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=1).fit(reference)
    distance, nearest = (neighbours[:, 0] for neighbours in search.kneighbors(generated))
    # without an argument, kneighbors does not count a reference row as its own neighbour
    within_reference = search.kneighbors(n_neighbors=1)[0] if len(reference) > 1 else np.zeros(1)
    # a stable order gives the same groups on every machine
    order = np.argsort(distance, kind="stable")
    size = min(GROUP_SIZE, len(generated))
    chosen = {
        "random": np.sort(np.random.default_rng(seed).choice(len(generated), size, replace=False)),
        "typical": order[:size],
        "odd": order[-size:][::-1],
    }
    groups = {
        name: SampleGroup(rows.tolist(), nearest[rows].tolist(), _rounded_list(distance[rows]))
        for name, rows in chosen.items()
    }
    return replace(
        gallery,
        groups=groups,
        median_distance=_rounded(np.median(distance)),
        reference_median_distance=_rounded(np.median(within_reference)),
    )


def _with_copies(gallery: Gallery, generated: Features, reference: Features, train: Features) -> Gallery:
    """Add the rows that are most like copies of training rows, by the ratio test of the metric ``memorised``."""
    from sklearn.neighbors import NearestNeighbors

    metric: Any = registry.load("metrics", "memorised")
    try:
        pairs = metric(generated, reference, seed=0, train=train)[0].detail["pairs"]
    except InputError:
        # too few held-out rows for the test
        return gallery
    # as many as in the other groups, each with its nearest reference row
    rows = [pair["generated"] for pair in pairs[: len(gallery.groups["random"].rows)]]
    search = NearestNeighbors(n_neighbors=1).fit(reference["embedding"])
    distance, nearest = (neighbours[:, 0] for neighbours in search.kneighbors(generated["embedding"][rows]))
    group = SampleGroup(rows, nearest.tolist(), _rounded_list(distance))
    return replace(gallery, groups={**gallery.groups, "copied": group})


def _with_modes(gallery: Gallery, generated: Features, reference: Features) -> Gallery:
    """Add the number of rows in each mode."""
    sides = generated["mode"], reference["mode"]
    # modes without any sample count too, if the extractor knows the number of modes
    total = generated.modes or max(int(side.max()) for side in sides) + 1
    modes, reference_modes = (np.bincount(side, minlength=total).tolist() for side in sides)
    return replace(gallery, modes=modes, reference_modes=reference_modes)


def _with_predictions(gallery: Gallery, generated: Array, reference: Array) -> Gallery:
    """Add p(y) of both sides, and p(y|x) of the rows drawn at random, from logits [N, classes]."""
    # the conditionals are shown beside the images of the random group
    probabilities = _softmax(generated)
    shown = gallery.groups["random"].rows if gallery.groups else []
    return replace(
        gallery,
        marginal=_rounded_list(probabilities.mean(axis=0)),
        reference_marginal=_rounded_list(_softmax(reference).mean(axis=0)),
        conditionals=[_rounded_list(probabilities[row], 3) for row in shown],
    )


def _softmax(logits: Array) -> Float64:
    # the largest logit is subtracted so that exp does not overflow
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _distance_by_count(
    generated: Features, reference: Features, recipe: Benchmark, extractor: Extractor
) -> DistanceByCount | None:
    """Return the Frechet distance of disjoint parts of both sides and of the whole; None if the recipe lacks it."""
    specs = [spec for spec in metric_specs(recipe.metrics) if spec.name in ("fid", "fd")]
    if not specs or specs[0].extractor is not None:
        return None
    metric: Metric = registry.load("metrics", specs[0])
    sides = generated["embedding"], reference["embedding"]
    dimensions, smaller = sides[0].shape[1], min(map(len, sides))
    rows = []
    for count in PART_COUNTS:
        # with a singular covariance the distance does not depend linearly on 1/N
        if smaller // count <= dimensions:
            continue
        pairs = zip(*(_disjoint_parts(side, count) for side in sides), strict=True)
        values = [_distance_score(metric, *pair).value for pair in pairs]
        error = float(np.std(values, ddof=1) / np.sqrt(count))
        rows.append(CountedDistance(len(generated) // count, _rounded(np.mean(values)), _rounded(error)))
    if not rows:
        return None
    # the whole of both sides, with the metric's own standard error
    score = _distance_score(metric, *sides)
    own_error = None if score.error is None else _rounded(score.error)
    rows.append(CountedDistance(len(generated), _rounded(score.value), own_error))
    name = entry(score, extractor.name, canonical=bool(getattr(extractor, "canonical", False))).name
    return DistanceByCount(name, rows)


def _distance_score(metric: Metric, generated: Array, reference: Array) -> Score:
    scores = metric(Features.of(embedding=generated), Features.of(embedding=reference), seed=0)
    return scores[0]


def _disjoint_parts(rows: Array, count: int) -> list[Array]:
    """Return disjoint parts of equal size, shuffled with a fixed seed because rows may be ordered by class."""
    size = len(rows) // count
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[order[part * size : (part + 1) * size]] for part in range(count)]


def take_rows(source: Source, indices: Sequence[int]) -> list[Array]:
    """Return the rows of a source at these positions: images as uint8 [H, W, 3], points as float32 [D]."""
    rows: dict[int, Array] = {}
    # one pass over the source up to the last row
    needed, end = set(indices), max(indices) + 1
    for batch in read_batches(source, 256, 0, end):
        for position, row in enumerate(batch.index.tolist()):
            if row in needed:
                data = batch.data[position]
                rows[row] = data.transpose(1, 2, 0) if data.ndim == 3 else data
    return [rows[row] for row in indices]


def _first_points(source: Source) -> list[list[float]]:
    """Return the first two coordinates of the first points."""
    rows = np.stack(take_rows(source, range(min(SHOWN_POINTS, len(source)))))
    return [_rounded_list(point, 4) for point in rows[:, :2]]


def _nearest_training_images(images: Sequence[Array], training: Source) -> list[Array] | None:
    """Return the training image with the smallest Euclidean distance in pixels to each image.

    ``images`` and the result are uint8 [H, W, 3]. None if the sizes differ or the training samples are points.
    """
    if len({image.shape for image in images}) != 1:
        return None
    # float32 [N, H * W * 3], compared with one batch of training images at a time
    pixels = np.stack(images).reshape(len(images), -1).astype(np.float32)
    smallest, nearest = np.full(len(images), np.inf), list(images)
    for batch in read_batches(training, 256):
        if isinstance(batch.data, list) or batch.data.ndim != 4:
            return None
        data = batch.data.transpose(0, 2, 3, 1)
        if data.shape[1:] != images[0].shape:
            return None
        # squared distances are whole numbers up to 255^2 * pixels, which float64 represents exactly
        training_pixels = data.reshape(len(data), -1).astype(np.float32)
        squared = (pixels**2).sum(1, dtype=np.float64)[:, None] + (training_pixels**2).sum(1, dtype=np.float64)
        squared -= 2 * pixels.astype(np.float64) @ training_pixels.T.astype(np.float64)
        # keep the nearest training image of all batches so far
        closest = squared.argmin(axis=1)
        for row in np.flatnonzero(squared[np.arange(len(pixels)), closest] < smallest):
            smallest[row], nearest[row] = squared[row, closest[row]], data[closest[row]]
    return nearest


def _rounded(value: Any, digits: int = 5) -> float:
    """Round to significant digits: the gallery is drawn, not computed with."""
    return float(f"{float(value):.{digits}g}")


def _rounded_list(values: Any, digits: int = 4) -> list[float]:
    return [_rounded(value, digits) for value in values]
