"""``run`` and ``train``: train samplers with several seeds, choose checkpoints and score the samples.

A trial is one sampler with one seed. Finished trials are never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from genbench.benchmarks import Benchmark
from genbench.errors import InputError, UsageError
from genbench.files.folder_lock import locked_folder
from genbench.files.folder_paths import folder_name, results_file
from genbench.files.progress_bar import progress_bar
from genbench.plugs.opening import open_sampler, open_source
from genbench.plugs.specs import REAL
from genbench.results import Result, TrainingRecord, read_results
from genbench.runs.folder import RunFolder
from genbench.runs.gallery import write_gallery
from genbench.runs.identity import trial_identities
from genbench.runs.likelihood_scores import likelihoods
from genbench.runs.options import RunOptions, RunSettings, TrainOptions, run_settings
from genbench.runs.scorable import is_trainable, require_scorable
from genbench.runs.train import Training
from genbench.runs.trial_folder import taken_folder
from genbench.runs.workers import worker_pool
from genbench.scoring.score import score

if TYPE_CHECKING:
    from typing_extensions import Unpack


def run(
    benchmark: str | Benchmark, samplers: Sequence[str] | None = None, **options: Unpack[RunOptions]
) -> list[Result]:
    """Train and score samplers on a benchmark with several seeds; samplers that cannot be trained are only scored.

    ``samplers``: names or specs; None means those of the benchmark. ``options``: ``repeats``, ``budget``, ``seed``,
    ``out``, ``jobs``, ``progress`` and ``ranks``, explained in ``RunSettings``. The files of a trial are in
    ``out``/BENCHMARK/SAMPLER/seed-N, and each new result is appended to ``out``/BENCHMARK.jsonl. Raises UsageError for
    unknown names and options, PlugError if a sampler raises; results of trials that finished before stay on disk.
    """
    settings = run_settings(benchmark, samplers, "run", options)
    # a mistyped name and samples that cannot be scored stop the run before the long work
    require_scorable(settings, [name for name in settings.samplers if name != REAL])
    # the identities are those of the code that is loaded now
    identities = trial_identities(settings)
    # with several ranks, each one takes its share of the trials
    seeds = range(settings.seed, settings.seed + settings.repeats)
    trials = [_Trial(name, seed, identities[name]) for name in settings.samplers for seed in seeds]
    if settings.ranks is not None:
        trials = [trial for number, trial in enumerate(trials) if settings.ranks.owns(number)]
    if min(settings.jobs, len(trials)) > 1:
        return _run_in_processes(settings, trials)
    return [_recorded(settings, _run_trial(settings, trial)) for trial in trials]


def kept_in(out: Path, benchmark: str) -> Path:
    """Return the file to which ``run`` appends the results of ``NAME@VERSION``; samples and weights lie beside it."""
    return results_file(out, benchmark.rpartition("@")[0])


def train(sampler: str, benchmark: str | Benchmark, **options: Unpack[TrainOptions]) -> Training:
    """Train one sampler with one seed on the training split of a benchmark, in the folder that ``run`` would use.

    ``options``: ``budget``, ``seed``, ``out`` and ``progress``, explained in ``RunSettings``. Raises UsageError for
    unknown names and options and for a sampler that cannot be trained, PlugError if the sampler raises.
    """
    settings = run_settings(benchmark, [sampler], "train", options)
    if not is_trainable(open_sampler(sampler)):
        raise UsageError(f"{sampler!r} cannot be trained: it has no fit(source, seed, steps, watch, checkpoint).")
    # the returned Training has the record, the history and the path of the weights
    training = Training(settings, sampler, settings.seed)
    with taken_folder(settings, sampler, settings.seed, trial_identities(settings)[sampler]):
        training.train()
    return training


class _Trial(NamedTuple):
    """One sampler with one seed."""

    sampler: str
    seed: int
    identity: Mapping[str, str]


def _run_in_processes(settings: RunSettings, trials: Sequence[_Trial]) -> list[Result]:
    jobs = min(settings.jobs, len(trials))
    in_process = replace(settings, progress=False, ranks=None)
    with (
        worker_pool(jobs) as submit,
        progress_bar(len(trials), str(settings.benchmark), "trial", show=settings.progress) as bar,
    ):
        futures = [submit(_run_trial, in_process, trial) for trial in trials]
        for future in futures:
            future.add_done_callback(lambda _: bar.update())
        # results are recorded in the order of the trials; after an error no further trial starts
        return [_recorded(settings, future.result()) for future in futures]


def _run_trial(settings: RunSettings, trial: _Trial) -> Result:
    """Return the result of one trial: the earlier one if nothing has changed, otherwise a new one."""
    with taken_folder(settings, *trial) as folder:
        result = folder.read_result()
        if result is None:
            result = _trained_and_scored(settings, folder)
            folder.write_result(result)
        return result


def _trained_and_scored(settings: RunSettings, folder: RunFolder) -> Result:
    """Train a sampler if it can be trained, score it and write its gallery."""
    recipe, name, seed = settings.benchmark, folder.sampler, folder.seed
    # real samples: each seed takes other ones, and the numbers do not collide with the seeds of the splits
    if name == REAL:
        real = recipe.real.format(seed=1000 + seed)
        result = score(real, recipe, name=REAL, progress=settings.progress)
        write_gallery(real, recipe, seed=0, folder=folder)
        return replace(result, training=TrainingRecord(settings.budget, seed))
    # a sampler: the score uses the chosen weights and the training seed
    training = Training(settings, name, seed)
    model = training.train()
    result = score(model, recipe, name=name, seed=seed, progress=settings.progress)
    bounds = likelihoods(model, open_source(recipe.reference))
    write_gallery(model, recipe, seed=seed, folder=folder)
    return replace(result, scores=(*result.scores, *bounds), training=training.record)


def _recorded(settings: RunSettings, result: Result) -> Result:
    """Append a result to the benchmark's file, unless it is there."""
    # A killed command may have written the result into its folder only. Only this process writes into the file, never
    # the workers of ``jobs``, so that the order of the lines is that of the trials.
    benchmark = settings.benchmark.name
    path = results_file(settings.out, benchmark)
    with locked_folder(settings.out / folder_name(benchmark), lambda _: None):
        if result.to_json() not in _recorded_lines(path):
            result.append(path)
    return result


def _recorded_lines(path: Path) -> set[str]:
    """Return the results of a file as this version writes them."""
    # a file with invalid lines is reported by the commands that read it
    with suppress(InputError):
        return {result.to_json() for result in read_results(path)} if path.is_file() else set()
    return set()
