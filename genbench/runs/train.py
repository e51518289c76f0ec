"""Training of one sampler on a recipe with one seed: watched, resumed where it was cut off, and never done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genbench.benchmarks import Benchmark
from genbench.errors import GenbenchError, UsageError, did_you_mean, guest_error
from genbench.files.atomic_write import atomic_write
from genbench.plugs.opening import open_source
from genbench.results import TrainingRecord
from genbench.runs.critic_estimates import critic_claim
from genbench.runs.pictures import curves_figure
from genbench.scoring.score import score

WATCHED = 20
"""How often in a training its samples are scored against the validation split."""
WATCHED_QUICKLY = 5
"""The same for the budget ``quick``, whose few steps take less time than that."""


def steps_of(benchmark: Benchmark, budget: str) -> int:
    """Return the training steps of a budget. Raises UsageError for an unknown one."""
    if budget not in benchmark.steps:
        raise UsageError(f"No budget is called {budget!r}{did_you_mean(budget, benchmark.steps)}")
    return benchmark.steps[budget]


@dataclass
class Training:
    """One sampler with one seed in one folder; the same training in the same folder goes on where it was.

    In ``folder`` lie ``checkpoint.safetensors`` (to go on from), ``best.safetensors`` (the chosen weights),
    ``history.jsonl`` (what was watched), ``curves.png`` and, at the end, ``training.json``.
    """

    benchmark: Benchmark
    name: str
    seed: int
    budget: str
    folder: Path
    progress: bool | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    record: TrainingRecord | None = None
    """What goes into the Result: budget, seed, steps, seconds, the chosen step and by what, instability, the critic."""

    def of(self, sampler: Any) -> TrainingRecord:
        """Train a sampler and leave it with the chosen weights; return its record.

        A sampler without ``fit`` is left as it is. Raises PlugError where the sampler raises; its last checkpoint and
        the best weights so far are kept.
        """
        self.record = self._followed(sampler)
        return self.record

    def _followed(self, sampler: Any) -> TrainingRecord:
        plan = {
            "benchmark": str(self.benchmark),
            "sampler": self.name,
            "budget": self.budget,
            "seed": self.seed,
            "steps": steps_of(self.benchmark, self.budget),
        }
        if not hasattr(sampler, "fit"):
            return TrainingRecord(self.budget, self.seed)
        done = self.folder / "training.json"
        record = json.loads(done.read_text(encoding="utf-8")) if done.exists() else {}
        if self.weights.exists() and {key: record.get(key) for key in plan} == plan:
            sampler.load(self.weights)
            return TrainingRecord.from_dict(record)
        self._train(sampler)
        record = plan | self._told()
        with atomic_write(done) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return TrainingRecord.from_dict(record)

    @property
    def weights(self) -> Path:
        """Where the chosen weights lie."""
        return self.folder / "best.safetensors"

    def _train(self, sampler: Any) -> None:
        self._recall()
        before = self.history[-1]["seconds"] if self.history else 0.0
        began = time.monotonic()
        steps = steps_of(self.benchmark, self.budget)
        every = max(1, steps // (WATCHED_QUICKLY if self.budget == "quick" else WATCHED))
        source = open_source(self.benchmark.train)
        with self._bar(steps) as bar:

            def watch(step: int, losses: Mapping[str, float]) -> None:
                bar.update(step - bar.n)
                bar.set_postfix({name: f"{loss:.3g}" for name, loss in losses.items()}, refresh=False)
                if step % every == 0 or step == steps:
                    self._look(sampler, step, losses, round(before + time.monotonic() - began, 1))

            try:
                checkpoint = self.folder / "checkpoint.safetensors"
                sampler.fit(source, seed=self.seed, steps=steps, watch=watch, checkpoint=checkpoint)
            except GenbenchError:
                raise
            except Exception as error:
                raise guest_error(f"The training of {self.name!r} (seed {self.seed})", error) from error
        if self.weights.exists():
            sampler.load(self.weights)
        curves_figure(self.history, self.folder / "curves.png", self._chosen)

    def _look(self, sampler: Any, step: int, losses: Mapping[str, float], seconds: float) -> None:
        """Score the samples of this moment against the validation split, and keep the weights if they are the best."""
        recipe = self.benchmark
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
            sampler.save(self.weights)
        claimed = self._claim(sampler)
        entry = {"step": step, **losses, **claimed, "validation": distance, "kept": float(kept), "seconds": seconds}
        self.history.append(entry)
        with atomic_write(self.folder / "history.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in self.history))

    def _claim(self, sampler: Any) -> dict[str, float]:
        claim = critic_claim(sampler, self.benchmark.density, seed=self.seed) if self.benchmark.density else None
        if claim is None:
            return {}
        return {
            f"claimed_{claim.quantity}": claim.claimed,
            f"exact_{claim.quantity}": claim.exact,
            f"floor_{claim.quantity}": claim.floor,
        }

    def _told(self) -> dict[str, Any]:
        """Return what the history comes to."""
        record: dict[str, Any] = {
            "seconds": self.history[-1]["seconds"] if self.history else 0.0,
            "chosen_step": self._chosen,
            "chosen_by": f"{self.benchmark.watch} on {self.benchmark.validation}",
            "instability": instability([entry["validation"] for entry in self.history]),
        }
        for quantity in ("w1", "value"):
            if self.history and f"claimed_{quantity}" in self.history[-1]:
                record["critic"] = _trusted(self.history, quantity)
        return record

    def _recall(self) -> None:
        """Read what a run that was cut off has seen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "history.jsonl"
        if path.exists() and (self.folder / "checkpoint.safetensors").exists():
            self.history = [json.loads(line) for line in path.read_text().splitlines()]

    @property
    def _chosen(self) -> int:
        """The last step whose samples were as near to the validation split as the nearest, within one error.

        Among checkpoints that cannot be told apart the one that was trained longest is taken. 0 where nothing was kept.
        """
        return int(max((entry["step"] for entry in self.history if entry["kept"]), default=0))

    def _bar(self, steps: int) -> Any:
        from tqdm import tqdm

        disable = None if self.progress is None else not self.progress
        return tqdm(total=steps, desc=f"{self.name}, seed {self.seed}", unit="step", disable=disable, leave=False)


def _trusted(history: Sequence[Mapping[str, float]], quantity: str) -> dict[str, Any]:
    """Return the critic's last claim beside the truth, and how the two went together over the whole training."""
    from scipy.stats import spearmanr

    claimed, exact = ([entry[f"{kind}_{quantity}"] for entry in history] for kind in ("claimed", "exact"))
    together = float(spearmanr(claimed, exact).statistic) if len(history) > 2 else float("nan")
    return {
        "quantity": quantity,
        "claimed": claimed[-1],
        "exact": exact[-1],
        "floor": history[-1][f"floor_{quantity}"],
        "rank_correlation": together if np.isfinite(together) else None,
    }


def instability(values: Sequence[float]) -> float | None:
    """Return the relative spread (standard deviation over mean) of the last quarter of a watched metric.

    None with fewer than two values there, or where their mean is 0.
    """
    last = np.asarray(values[-max(2, len(values) // 4) :], np.float64)
    if len(last) < 2 or not last.mean():
        return None
    return float(last.std(ddof=1) / abs(last.mean()))
