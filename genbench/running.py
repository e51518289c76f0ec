"""genbench run: for each sampler and seed, train, choose the checkpoint, draw, score; nothing finished is repeated."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from genbench import registry
from genbench.benchmarks import Benchmark
from genbench.drawing import guest_error
from genbench.errors import GenbenchError, UsageError, did_you_mean
from genbench.locations import result_folder, written_whole
from genbench.opening import open_subject
from genbench.report.figures import curves_figure
from genbench.report.gallery import write_gallery
from genbench.results import Result, read_results
from genbench.scoring import score

REAL = "real"
"""The row of fresh real samples: the floor of every table."""

WATCHED = 20
"""How often in a training its samples are scored against the validation split."""


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

    @property
    def steps(self) -> int:
        """Training steps of the budget. Raises UsageError for an unknown budget."""
        if self.budget not in self.benchmark.steps:
            raise UsageError(f"No budget is called {self.budget!r}{did_you_mean(self.budget, self.benchmark.steps)}")
        return self.benchmark.steps[self.budget]


def run(
    benchmark: str | Benchmark,
    samplers: Sequence[str] | None = None,
    *,
    repeats: int = 3,
    budget: str = "full",
    seed: int = 0,
    out: Path | str = "runs",
    progress: bool | None = None,
) -> list[Result]:
    """Train and score samplers on a benchmark, ``repeats`` seeds each; samplers that cannot be trained are only scored.

    In ``out``/benchmark/sampler/seed-N lie ``result.jsonl``, the chosen weights, ``history.jsonl``, ``curves.png``,
    ``samples.png`` and the gallery; results are added to ``out``/benchmark.jsonl. Raises UsageError for unknown names,
    PlugError where a sampler raises (what was finished before is kept).
    """
    recipe: Benchmark = registry.load("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    names = tuple(samplers or recipe.samplers)
    plan = Plan(recipe, names, repeats, budget, seed, Path(out), progress)
    results = [one for name in names for one in _repeated(plan, name)]
    kept = plan.out / f"{recipe.name}.jsonl"
    known = set(kept.read_text(encoding="utf-8").splitlines()) if kept.exists() else set()
    for result in results:
        if result.to_json() not in known:
            result.append(kept)
    return results


def _repeated(plan: Plan, name: str) -> Iterator[Result]:
    assert plan.steps  # an unknown budget is said before the long work
    for seed in range(plan.seed, plan.seed + plan.repeats):
        folder = result_folder(plan.out, plan.benchmark.name, name, seed)
        done = folder / "result.jsonl"
        if done.exists():
            (found,) = read_results(done)
            if found.benchmark == str(plan.benchmark) and (found.training or {}).get("budget") == plan.budget:
                yield found
                continue
        result = _Trial(plan, name, seed, folder).result()
        with written_whole(done) as temporary:
            temporary.write_text(result.to_json() + "\n", encoding="utf-8")
        yield result


@dataclass
class _Trial:
    """One sampler with one seed."""

    plan: Plan
    name: str
    seed: int
    folder: Path
    history: list[dict[str, float]] = field(default_factory=list)

    def result(self) -> Result:
        """Train where that is possible, then score."""
        recipe = self.plan.benchmark
        if self.name == REAL:
            real = recipe.real.format(seed=1000 + self.seed)
            scored = score(real, recipe, name=REAL, progress=self.plan.progress)
            write_gallery(real, recipe, seed=0, folder=self.folder)
            return replace(scored, training={"budget": self.plan.budget, "seed": self.seed})
        sampler: Any = open_subject(self.name, ("samplers", "sources"))
        training: dict[str, Any] = {"budget": self.plan.budget, "seed": self.seed}
        if hasattr(sampler, "fit"):
            training |= self._train(sampler)
        result = score(sampler, recipe, name=self.name, seed=self.seed, progress=self.plan.progress)
        write_gallery(sampler, recipe, seed=self.seed, folder=self.folder)
        return replace(result, training=training)

    def _train(self, sampler: Any) -> dict[str, Any]:
        began = time.monotonic()
        self._recall()
        source = open_subject(self.plan.benchmark.train, ("sources",))
        weights = self.folder / "best.safetensors"
        with self._bar() as bar:

            def watch(step: int, losses: Mapping[str, float]) -> None:
                bar.update(step - bar.n)
                bar.set_postfix({name: f"{loss:.3g}" for name, loss in losses.items()}, refresh=False)
                if step % max(1, self.plan.steps // WATCHED) == 0 or step == self.plan.steps:
                    self._look(sampler, step, losses, weights)

            try:
                checkpoint = self.folder / "checkpoint.safetensors"
                sampler.fit(source, seed=self.seed, steps=self.plan.steps, watch=watch, checkpoint=checkpoint)
            except GenbenchError:
                raise
            except Exception as error:
                raise guest_error(f"The training of {self.name!r} (seed {self.seed})", error) from error
        if weights.exists():
            sampler.load(weights)
        curves_figure(self.history, self.folder / "curves.png", self._chosen)
        return {
            "steps": self.plan.steps,
            "seconds": round(time.monotonic() - began, 1),
            "chosen_step": self._chosen,
            "chosen_by": f"{self.plan.benchmark.watch} on {self.plan.benchmark.validation}",
            "instability": instability([entry["validation"] for entry in self.history]),
        }

    def _look(self, sampler: Any, step: int, losses: Mapping[str, float], weights: Path) -> None:
        """Score the samples of this moment against the validation split, and keep the weights if they are the best."""
        recipe = self.plan.benchmark
        found = score(
            sampler,
            reference=recipe.validation,
            features=recipe.features,
            metrics=recipe.watch,
            seed=self.seed,
            progress=False,
        )
        distance, error = found.scores[0].value, found.scores[0].error or 0.0
        self.history = [entry for entry in self.history if entry["step"] < step]  # a resumed run sees some steps again
        nearest = min((entry["validation"] for entry in self.history), default=float("inf"))
        kept = hasattr(sampler, "save") and distance <= nearest + error
        if kept:
            sampler.save(weights)
        self.history.append({"step": step, **losses, "validation": distance, "kept": float(kept)})
        with written_whole(self.folder / "history.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in self.history))

    def _recall(self) -> None:
        """Read what a run that was cut off has seen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "history.jsonl"
        if path.exists():
            self.history = [json.loads(line) for line in path.read_text().splitlines()]

    @property
    def _chosen(self) -> int:
        """The last step whose samples were as near to the validation split as the nearest, within one error.

        Among checkpoints that cannot be told apart the one that was trained longest is taken. 0 where nothing was kept.
        """
        return int(max((entry["step"] for entry in self.history if entry["kept"]), default=0))

    def _bar(self) -> Any:
        from tqdm import tqdm

        disable = None if self.plan.progress is None else not self.plan.progress
        title = f"{self.name}, seed {self.seed}"
        return tqdm(total=self.plan.steps, desc=title, unit="step", disable=disable, leave=False)


def instability(values: Sequence[float]) -> float | None:
    """Return the relative spread (standard deviation over mean) of the last quarter of a watched metric.

    None with fewer than two values there, or where their mean is 0.
    """
    last = np.asarray(values[-max(2, len(values) // 4) :], np.float64)
    if len(last) < 2 or not last.mean():
        return None
    return float(last.std(ddof=1) / abs(last.mean()))
