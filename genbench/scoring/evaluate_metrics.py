"""Evaluate the metrics of one extractor: from features of both sides to named scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genbench.errors import InputError, PlugError, UsageError, guest_code
from genbench.features.features import Features, Moments
from genbench.files.progress_bar import progress_bar
from genbench.plugs.contract_checks import checked_scores
from genbench.plugs.contracts import IN_PLANE, Influence, InfluenceOfRows, Metric, Score
from genbench.plugs.declarations import metric_name_of
from genbench.results import Entry
from genbench.scoring.options import Options
from genbench.scoring.score_names import chosen_view, with_distinct_names
from genbench.scoring.sides import Sides
from genbench.scoring.slice_scores import Inputs, score_of_volumes, with_average

EvaluateTogether = Callable[..., list[list[Score]]]
"""A function (metrics, generated, reference, *, seed) that evaluates several metrics in one pass over the rows."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of the metrics of one extractor."""

    entries: list[Entry]
    """In the order of the metrics."""
    left_out: list[str]
    """One sentence about each default metric that cannot be computed from these samples."""
    empty: list[str]
    """One sentence about each metric that found nothing to score."""


def evaluate(sides: Sides, extractor: str, metrics: Sequence[Metric], *, required: bool) -> Evaluation:
    """Return the scores of metrics in the features of one extractor.

    ``required``: whether a metric that cannot be computed from these samples raises InputError, or is left out.
    """
    usable = usable_metrics(sides, extractor, metrics)
    inputs = Inputs(
        sides.features("generated", extractor),
        [sides.reference(metric, extractor) for metric in usable],
        [sides.train(metric, extractor) for metric in usable],
    )
    # slices of volumes are scored plane by plane
    planes = inputs.by_plane()
    found = {plane: _scores_of_rows(usable, own, sides.options, plane) for plane, own in planes.items()}
    scores: dict[int, dict[str, list[Score]]] = {}
    left_out: list[str] = []
    empty: list[str] = []
    for index, metric in enumerate(usable):
        of_planes = {plane: each[index] for plane, each in found.items()}
        failure = next((each for each in of_planes.values() if isinstance(each, InputError)), None)
        if failure is None:
            scores[index] = with_average({plane: each for plane, each in of_planes.items() if isinstance(each, list)})
            empty += [] if any(scores[index].values()) else [_nothing(metric, inputs.generated)]
        elif required:
            raise failure
        else:
            left_out.append(f"{metric_name_of(metric)}: {failure}")

    opened = sides.extractor(extractor)
    canonical = bool(getattr(opened, "canonical", False))
    groups = []
    for index, of_metric in scores.items():
        view = chosen_view(usable[index])
        own = [
            entry(score, opened.name, canonical=canonical, view=view, plane=plane)
            for plane, of_plane in of_metric.items()
            for score in of_plane
        ]
        groups.append((usable[index], own))
    entries = with_distinct_names(groups)
    # with --resizes (see Options.resizes and Plan), the name of the resize distinguishes the scores
    if sides.options.resizes is not None and canonical:
        at = f"@{opened.name}"
        entries = [one if at in one.name else replace(one, name=one.name + at, key=one.key + at) for one in entries]
    return Evaluation(entries, left_out, empty)


def _scores_of_rows(
    usable: Sequence[Metric], inputs: Inputs, options: Options, plane: str
) -> list[list[Score] | InputError]:
    """Return the scores of each metric, or why they cannot be computed from these samples."""
    generated = inputs.generated
    # metrics that name the same function are evaluated by one call of it
    passes: dict[EvaluateTogether | int, list[int]] = {}
    for index, metric in enumerate(usable):
        passes.setdefault(getattr(metric, "evaluate_together", None) or index, []).append(index)
    scores: dict[int, list[Score] | InputError] = {}
    with progress_bar(len(passes), f"compare {plane}".strip(), "step", show=options.progress) as bar:
        for function, indices in passes.items():
            group = [usable[index] for index in indices]
            reference, train = inputs.references[indices[0]], inputs.trains[indices[0]]
            # without an identity, features of different extractors can be distinguished only by their size
            for other in (reference, train):
                if other is not None and "embedding" in group[0].needs:
                    _require_same_dimensions(generated, other)
            # metrics without the attribute training_rows do not know the keyword train
            keywords = {"seed": options.seed, **({} if train is None else {"train": train})}
            for index, found in zip(indices, _each(function, group, generated, reference, keywords), strict=True):
                scores[index] = (
                    [score_of_volumes(one, generated, reference) for one in found] if isinstance(found, list) else found
                )
            bar.update()
    return [scores[index] for index in range(len(usable))]


def _nothing(metric: Metric, generated: Features) -> str:
    """Return a sentence about a metric that gave no score."""
    # without classes the metrics of classes are empty
    classes = ", which have no classes" if generated.label is None else ""
    return f"{metric_name_of(metric)} has nothing to score in the samples of {generated.name}{classes}"


def entry(score: Score, extractor: str, *, canonical: bool, view: str = "", plane: str = "") -> Entry:
    """Return a score under its full name: ``fid`` and ``kid`` only if the extractor is canonical, else ``fd@NAME``.

    With another ``view`` than that by which the score is defined, the name is ``fd@NAME,view=VIEW``. Slices in one of
    several planes have ``@NAME,plane=PLANE``.
    """
    name, key = score.name, getattr(score, "key", None) or score.name
    if view or not canonical:
        for inception, general in (("fid", "fd"), ("sfid", "sfd"), ("kid", "kd")):
            if name == inception or name.startswith(f"{inception}_"):
                name = general + name[len(inception) :]
        key = key.replace("_inception_distance", "_distance")
    options = (f",view={view}" if view else "") + (f"{IN_PLANE}{plane}" if plane else "")
    if options or not canonical:
        name, key = f"{name}@{extractor}{options}", f"{key}@{extractor}{options}"
    influence = getattr(score, "influence", None)
    # the influences of single rows are not recorded
    if isinstance(influence, InfluenceOfRows):
        influence = Influence(influence.generated, influence.reference)
    return Entry(
        name,
        key,
        float(score.value),
        score.error,
        score.better,
        extractor,
        # a guest's score may be any object with the first four fields
        dict(getattr(score, "detail", {})),
        influence,
        getattr(score, "interval", None),
    )


def usable_metrics(sides: Sides, extractor: str, metrics: Sequence[Metric]) -> list[Metric]:
    """Return the metrics whose views the extractor computes.

    Of the default metrics the others are left out. Raises UsageError if a metric was asked for by name.
    """
    views = sides.features("generated", extractor).views
    usable = [metric for metric in metrics if set(metric.needs) <= set(views)]
    if sides.options.metrics is not None and len(usable) < len(metrics):
        lacking = next(metric for metric in metrics if metric not in usable)
        # optional views are given to whoever asks for them
        given = dict.fromkeys([*views, *getattr(sides.extractor(extractor), "optional_views", ())])
        raise UsageError(
            f"{metric_name_of(lacking)} reads {', '.join(lacking.needs)}, but the extractor {extractor!r} gives "
            f"{', '.join(given)}; choose another with --features."
        )
    return usable


def _each(
    function: EvaluateTogether | int,
    metrics: Sequence[Metric],
    generated: Features,
    reference: Features | Moments | None,
    keywords: Mapping[str, Any],
) -> list[list[Score] | InputError]:
    """Return the scores of each metric, or why they cannot be computed from these samples."""
    # all metrics of one function at once
    try:
        return list(_evaluated(function, metrics, generated, reference, keywords))
    except InputError as error:
        if len(metrics) == 1:
            return [error]
    # one metric of several cannot be computed: find out which
    return [found for metric in metrics for found in _each(function, [metric], generated, reference, keywords)]


def _evaluated(
    function: EvaluateTogether | int,
    metrics: Sequence[Metric],
    generated: Features,
    reference: Features | Moments | None,
    keywords: Mapping[str, Any],
) -> list[list[Score]]:
    who = f"The metric {_called(metrics[0])}"
    with guest_code(who):
        if callable(function):
            scores = function(metrics, generated, reference, **keywords)
        else:
            scores = [metrics[0](generated, reference, **keywords)]
    if len(scores) != len(metrics):
        raise PlugError(f"{who} returned {len(scores)} lists of scores for {len(metrics)} metrics evaluated together.")
    return [checked_scores(each, f"The metric {_called(metric)}") for each, metric in zip(scores, metrics, strict=True)]


def _called(metric: Metric) -> str:
    """Return a metric as text, with its options if its repr tells them; otherwise the name of its class or function."""
    text = repr(metric)
    # the default repr holds a memory address, which says nothing and differs in every run
    return str(getattr(metric, "__qualname__", type(metric).__name__)) if " at 0x" in text else text


def _require_same_dimensions(generated: Features, reference: Features | Moments) -> None:
    size = generated["embedding"].shape[1]
    reference_size = len(reference.mean) if isinstance(reference, Moments) else reference["embedding"].shape[1]
    if size != reference_size:
        raise InputError(
            f"{reference.name} has {reference_size} dimensions and the features of {generated.name} by "
            f"{generated.extractor!r} have {size}: they come from different extractors; choose the same with "
            "--features."
        )
