"""``run`` and ``train``: train samplers with several seeds, choose checkpoints and score the samples.

A trial is one sampler with one seed. Finished trials are never repeated.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from genbench.benchmarks import Benchmark
from genbench.errors import UsageError
from genbench.files.folder_paths import results_file
from genbench.files.progress_bar import progress_bar
from genbench.plugs.opening import open_sampler, open_source
from genbench.results import Result, TrainingRecord
from genbench.runs.folder import RunFolder
from genbench.runs.gallery import write_gallery
from genbench.runs.likelihood_scores import likelihoods
from genbench.runs.options import RunOptions, RunSettings, TrainOptions, run_settings
from genbench.runs.train import Training
from genbench.scoring.score import score

if TYPE_CHECKING:
    from typing_extensions import Unpack

REAL = "real"
"""Name of the row of fresh real samples, the floor of every table."""


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
    # open every sampler once, so that a mistyped name stops the run before the long work
    for name in settings.samplers:
        if name != REAL:
            open_sampler(name)
    # with several ranks, each one takes its share of the trials
    seeds = range(settings.seed, settings.seed + settings.repeats)
    trials = [(name, seed) for name in settings.samplers for seed in seeds]
    if settings.ranks is not None:
        trials = [trial for number, trial in enumerate(trials) if settings.ranks.owns(number)]
    if min(settings.jobs, len(trials)) > 1:
        finished = _run_in_processes(settings, trials)
    else:
        finished = (_run_trial(settings, *trial) for trial in trials)
    return [_saved(settings, result, is_new) for result, is_new in finished]


def train(sampler: str, benchmark: str | Benchmark, **options: Unpack[TrainOptions]) -> Training:
    """Train one sampler with one seed on the training split of a benchmark, in the folder that ``run`` would use.

    ``options``: ``budget``, ``seed``, ``out`` and ``progress``, explained in ``RunSettings``. Raises UsageError for
    unknown names and options and for a sampler that cannot be trained, PlugError if the sampler raises.
    """
    settings = run_settings(benchmark, [sampler], "train", options)
    model: Any = open_sampler(sampler)
    if not hasattr(model, "fit"):
        raise UsageError(f"{sampler!r} cannot be trained: it has no fit(source, seed, steps, watch, checkpoint).")
    # the returned Training has the record, the history and the path of the weights
    training = Training(settings, sampler, settings.seed)
    training.train(model)
    return training


def _run_in_processes(settings: RunSettings, trials: list[tuple[str, int]]) -> Iterator[tuple[Result, bool]]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    jobs = min(settings.jobs, len(trials))
    in_process = replace(settings, progress=False, ranks=None)
    with (
        # spawned processes inherit no threads and no state of CUDA
        ProcessPoolExecutor(jobs, get_context("spawn"), _prepare_process) as pool,
        progress_bar(len(trials), str(settings.benchmark), "trial", show=settings.progress) as bar,
    ):
        futures = [pool.submit(_run_trial, in_process, *trial) for trial in trials]
        for future in futures:
            future.add_done_callback(lambda _: bar.update())
        # results are returned in the order of the trials; after an error no further trial starts
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare_process() -> None:
    """Limit a worker process to one thread: more threads than cores would wait for each other."""
    import scipy.linalg  # noqa: F401 - threadpoolctl limits only libraries that are already loaded
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
    sys.stdout = sys.stderr  # stdout is for data; a guest may print anything


def _run_trial(settings: RunSettings, name: str, seed: int) -> tuple[Result, bool]:
    """Return the result of one sampler with one seed, and whether it is new."""
    folder = RunFolder(settings.out, settings.benchmark.name, name, seed)
    # a result of another benchmark version or budget is replaced
    earlier = folder.read_result()
    if earlier and (earlier.benchmark, earlier.budget) == (str(settings.benchmark), settings.budget):
        return earlier, False
    return _trained_and_scored(settings, folder), True


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
    model: Any = open_sampler(name)
    record = Training(settings, name, seed).train(model)
    result = score(model, recipe, name=name, seed=seed, progress=settings.progress)
    bounds = likelihoods(model, open_source(recipe.reference))
    write_gallery(model, recipe, seed=seed, folder=folder)
    return replace(result, scores=(*result.scores, *bounds), training=record)


def _saved(settings: RunSettings, result: Result, is_new: bool) -> Result:
    """Save a new result in the benchmark's file and then in its folder, which marks the trial as finished."""
    # only this process writes results, never the workers of ``jobs``
    if is_new:
        benchmark = settings.benchmark.name
        result.append(results_file(settings.out, benchmark))
        RunFolder(settings.out, benchmark, result.name, result.replicate_seed).write_result(result)
    return result
