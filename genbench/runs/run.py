"""genbench run: for each sampler and seed, train, choose the checkpoint, draw, score; nothing finished is repeated."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genbench.benchmarks import Benchmark
from genbench.distributed import Ranks
from genbench.errors import UsageError
from genbench.files.atomic_write import atomic_write
from genbench.files.folders import result_folder, results_file
from genbench.plugs import registry
from genbench.plugs.opening import open_source, open_subject
from genbench.results import Result, TrainingRecord, read_results
from genbench.runs.gallery import write_gallery
from genbench.runs.likelihood_scores import likelihoods
from genbench.runs.train import Training, steps_of
from genbench.scoring.score import score

REAL = "real"
"""The row of fresh real samples: the floor of every table."""


@dataclass(frozen=True)
class Plan:
    """What to run. The same plan in the same folder goes on where it was."""

    benchmark: Benchmark
    samplers: tuple[str, ...]
    repeats: int
    budget: str
    seed: int
    out: Path
    progress: bool | None = None


def run(
    benchmark: str | Benchmark,
    samplers: Sequence[str] | None = None,
    *,
    repeats: int = 3,
    budget: str = "full",
    seed: int = 0,
    out: Path | str = "runs",
    jobs: int = 1,
    progress: bool | None = None,
    ranks: Ranks | None = None,
) -> list[Result]:
    """Train and score samplers on a benchmark, ``repeats`` seeds each; samplers that cannot be trained are only scored.

    In ``out``/benchmark/sampler/seed-N lie ``result.jsonl``, the gallery and what ``Training`` leaves; each new
    result is added to ``out``/benchmark.jsonl. ``jobs`` trials go on at once, each in a process of one thread. Raises
    UsageError for unknown names, PlugError where a sampler raises (what was finished before is kept). Of several
    ``ranks`` each makes its share of the trials.
    """
    recipe: Benchmark = registry.load("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    plan = Plan(recipe, tuple(samplers or recipe.samplers), repeats, budget, seed, Path(out), progress)
    steps_of(recipe, budget)
    for name in plan.samplers:  # what is mistyped is said before the long work
        if name != REAL:
            open_subject(name, ("samplers", "sources"))
    trials = [(name, one) for name in plan.samplers for one in range(seed, seed + repeats)]
    if ranks is not None:
        trials = [trial for number, trial in enumerate(trials) if ranks.mine(number)]
    found = _in_processes(plan, trials, jobs) if min(jobs, len(trials)) > 1 else (_trial(plan, *one) for one in trials)
    return [_recorded(plan, *one) for one in found]


def train(
    sampler: str,
    benchmark: str | Benchmark,
    *,
    budget: str = "full",
    seed: int = 0,
    out: Path | str = "runs",
    progress: bool | None = None,
) -> Training:
    """Train one sampler on a benchmark's training split with one seed, where ``run`` would; return the Training.

    Raises UsageError for unknown names and for a sampler that cannot be trained, PlugError where it raises.
    """
    recipe: Benchmark = registry.load("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    plan = Plan(recipe, (sampler,), 1, budget, seed, Path(out), progress)
    opened: Any = open_subject(sampler, ("samplers", "sources"))
    if not hasattr(opened, "fit"):
        raise UsageError(f"{sampler!r} cannot be trained: it has no fit(source, seed, steps, watch, checkpoint).")
    training = _training(plan, sampler, seed)
    training.of(opened)
    return training


def _training(plan: Plan, name: str, seed: int) -> Training:
    return Training(plan.benchmark, name, seed, plan.budget, _folder(plan, name, seed), plan.progress)


def _folder(plan: Plan, name: str, seed: int) -> Path:
    return result_folder(plan.out, plan.benchmark.name, name, seed)


def _in_processes(plan: Plan, trials: list[tuple[str, int]], jobs: int) -> Iterator[tuple[Result, bool]]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from tqdm import tqdm

    disable = None if plan.progress is None else not plan.progress
    with (
        ProcessPoolExecutor(min(jobs, len(trials)), get_context("spawn"), _alone) as pool,
        tqdm(total=len(trials), desc=str(plan.benchmark), unit="trial", disable=disable, leave=False) as bar,
    ):
        waiting = [pool.submit(_trial, replace(plan, progress=False), *one) for one in trials]
        for one in waiting:
            one.add_done_callback(lambda _: bar.update())
        try:
            for one in waiting:
                yield one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _alone() -> None:
    """Prepare a process that shares the machine with others like it: more threads than cores wait for each other."""
    import scipy.linalg  # noqa: F401 - its library of linear algebra must be there to be told
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
    sys.stdout = sys.stderr  # what a guest prints is no data


def _trial(plan: Plan, name: str, seed: int) -> tuple[Result, bool]:
    """Return the result of one sampler with one seed, and whether it is new."""
    done = _folder(plan, name, seed) / "result.jsonl"
    if done.exists():
        (found,) = read_results(done)
        if found.benchmark == str(plan.benchmark) and found.budget == plan.budget:
            return found, False
    return _result(plan, name, seed), True


def _recorded(plan: Plan, result: Result, new: bool) -> Result:
    """Keep a new result: in the benchmark's file, and beside what made it, which marks the trial as finished."""
    if new:
        result.append(results_file(plan.out, plan.benchmark.name))
        with atomic_write(_folder(plan, result.name, result.replicate_seed) / "result.jsonl") as temporary:
            temporary.write_text(result.to_json() + "\n", encoding="utf-8")
    return result


def _result(plan: Plan, name: str, seed: int) -> Result:
    """Train one sampler with one seed where that is possible, then score it."""
    recipe = plan.benchmark
    if name == REAL:
        real = recipe.real.format(seed=1000 + seed)
        scored = score(real, recipe, name=REAL, progress=plan.progress)
        write_gallery(real, recipe, seed=0, folder=_folder(plan, name, seed))
        return replace(scored, training=TrainingRecord(plan.budget, seed))
    sampler: Any = open_subject(name, ("samplers", "sources"))
    record = _training(plan, name, seed).of(sampler)
    result = score(sampler, recipe, name=name, seed=seed, progress=plan.progress)
    told = likelihoods(sampler, open_source(recipe.reference))
    write_gallery(sampler, recipe, seed=seed, folder=_folder(plan, name, seed))
    return replace(result, scores=(*result.scores, *told), training=record)
