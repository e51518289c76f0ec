"""genbench run: for each sampler and seed, train, choose the checkpoint, draw, score; nothing finished is repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genbench import registry
from genbench.benchmarks import Benchmark
from genbench.claims import likelihoods
from genbench.errors import UsageError
from genbench.locations import written_whole
from genbench.opening import open_source, open_subject
from genbench.ranks import Ranks
from genbench.report.figures import grid_figure
from genbench.results import Result, read_results
from genbench.scoring import score
from genbench.training import Training, steps_of

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
    ranks: Ranks | None = None


def run(
    benchmark: str | Benchmark,
    samplers: Sequence[str] | None = None,
    *,
    repeats: int = 3,
    budget: str = "full",
    seed: int = 0,
    out: Path | str = "runs",
    progress: bool | None = None,
    ranks: Ranks | None = None,
) -> list[Result]:
    """Train and score samplers on a benchmark, ``repeats`` seeds each; samplers that cannot be trained are only scored.

    In ``out``/benchmark/sampler/seed-N lie ``result.jsonl``, ``samples.png`` and what ``Training`` leaves; each new
    result is added to ``out``/benchmark.jsonl. Raises UsageError for unknown names, PlugError where a sampler raises
    (what was finished before is kept). With ``ranks`` this process makes its own share of the trials, and finds others
    where they are finished.
    """
    recipe: Benchmark = registry.load("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    steps_of(recipe, budget)  # an unknown budget is said before the long work
    plan = Plan(recipe, tuple(samplers or recipe.samplers), repeats, budget, seed, Path(out), progress, ranks)
    return [one for name in plan.samplers for one in _repeated(plan, name)]


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
    slug = "".join(letter if letter.isalnum() or letter in "-_=.," else "_" for letter in name)
    return plan.out / plan.benchmark.name / slug / f"seed-{seed}"


def _repeated(plan: Plan, name: str) -> Iterator[Result]:
    for seed in range(plan.seed, plan.seed + plan.repeats):
        done = _folder(plan, name, seed) / "result.jsonl"
        if done.exists():
            (found,) = read_results(done)
            if found.benchmark == str(plan.benchmark) and (found.training or {}).get("budget") == plan.budget:
                yield found
                continue
        if plan.ranks and not plan.ranks.mine(plan.samplers.index(name) * plan.repeats + seed - plan.seed):
            continue
        result = _result(plan, name, seed)
        result.append(plan.out / f"{plan.benchmark.name}.jsonl")
        with written_whole(done) as temporary:
            temporary.write_text(result.to_json() + "\n", encoding="utf-8")
        yield result


def _result(plan: Plan, name: str, seed: int) -> Result:
    """Train one sampler with one seed where that is possible, then score it."""
    recipe = plan.benchmark
    if name == REAL:
        scored = score(recipe.real.format(seed=1000 + seed), recipe, name=REAL, progress=plan.progress)
        return replace(scored, training={"budget": plan.budget, "seed": seed})
    sampler: Any = open_subject(name, ("samplers", "sources"))
    record = _training(plan, name, seed).of(sampler)
    result = score(sampler, recipe, name=name, seed=seed, progress=plan.progress)
    told = likelihoods(sampler, open_source(recipe.reference))
    grid_figure(sampler.sample(64, seed), _folder(plan, name, seed) / "samples.png")
    return replace(result, scores=(*result.scores, *told), training=record)
