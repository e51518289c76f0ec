"""Refuse a sampler whose samples cannot be scored before another one is trained."""

from __future__ import annotations

import inspect

from genbench.benchmarks import Benchmark
from genbench.errors import GenbenchError, PlugError
from genbench.plugs.opening import open_sampler
from genbench.runs.folder import RunFolder
from genbench.runs.options import RunSettings
from genbench.scoring.score import features_of

FIRST_SAMPLES = 8
"""Number of samples whose features are computed; a sampler draws a whole chunk for them."""


def is_trainable(sampler: object) -> bool:
    """Whether a sampler has the ``fit`` of genbench's contract, and not that of another library, as scikit-learn's."""
    fit = getattr(sampler, "fit", None)
    if fit is None:
        return False
    try:
        parameters = inspect.signature(fit).parameters
    except (TypeError, ValueError):  # a built-in function has no signature
        return True
    # the contract passes both by name
    named = {"seed", "steps"} & set(parameters)
    return bool(named) or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def require_scorable(settings: RunSettings, names: list[str]) -> None:
    """Open the samplers of a run, and compute the features of a few samples of those that are not trained.

    Nothing is drawn if no sampler is trained, because then the scores themselves are the first work, nor for samplers
    whose results are there. Raises UsageError for unknown names, PlugError if samples cannot be scored.
    """
    # a mistyped name stops the run as well
    samplers = {name: open_sampler(name) for name in names}
    if not any(is_trainable(sampler) for sampler in samplers.values()):
        return
    for name, sampler in samplers.items():
        if not is_trainable(sampler) and not _is_finished(settings, name):
            _compute_features(sampler, name, settings.benchmark)


def _is_finished(settings: RunSettings, name: str) -> bool:
    """Whether the results of all seeds are there; a changed sampler is drawn from again in any case."""
    seeds = range(settings.seed, settings.seed + settings.repeats)
    folders = [RunFolder(settings.out, settings.benchmark.name, name, seed) for seed in seeds]
    return all(folder.result.is_file() for folder in folders)


def _compute_features(sampler: object, name: str, recipe: Benchmark) -> None:
    try:
        features_of(sampler, features=recipe.features, count=FIRST_SAMPLES, name=name, cache=False, progress=False)
    except GenbenchError as error:
        raise PlugError(f"The samples of {name!r} cannot be scored on {recipe}: {error}", error.example) from error
