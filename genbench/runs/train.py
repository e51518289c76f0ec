"""Train one sampler on a benchmark with one seed, watch the training and choose the best checkpoint.

An interrupted training continues from its last checkpoint, and a finished training is never repeated.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from genbench.errors import guest_code
from genbench.files.progress_bar import progress_bar
from genbench.plugs.opening import open_source
from genbench.results import CriticRecord, TrainingRecord
from genbench.runs.critic_estimates import critic_estimate
from genbench.runs.folder import History, RunFolder, WatchedStep
from genbench.runs.options import RunSettings
from genbench.runs.pictures import curves_figure
from genbench.scoring.score import score

WATCHED_STEPS = 20
"""How many times during a training the samples are scored against the validation split."""
WATCHED_STEPS_QUICK = 5
"""The same for the budget ``quick``, whose few steps are faster than 20 scores."""


@dataclass
class Training:
    """The training of one sampler with one seed.

    It writes into ``folder``: the checkpoint, the best weights, the history, the curves and, at the end, the record.
    """

    settings: RunSettings
    sampler: str
    """Name or spec."""
    seed: int
    history: History = field(default_factory=History)
    record: TrainingRecord | None = None
    """Set when the training is finished."""

    @property
    def folder(self) -> RunFolder:
        """Where the training writes its files."""
        return RunFolder(self.settings.out, self.settings.benchmark.name, self.sampler, self.seed)

    @property
    def weights(self) -> Path:
        """Path of the chosen weights."""
        return self.folder.best_weights

    def train(self, model: Any) -> TrainingRecord:
        """Train the opened sampler, load the chosen weights into it and return the record.

        A sampler without ``fit`` is not changed. Raises PlugError if the sampler raises; its last checkpoint and the
        best weights so far stay in the folder.
        """
        settings = self.settings
        record = TrainingRecord(settings.budget, self.seed)
        if hasattr(model, "fit"):
            # everything that makes two trainings the same
            planned = replace(record, benchmark=str(settings.benchmark), sampler=self.sampler, steps=settings.steps)
            # never repeat a finished training
            finished = self._finished(planned)
            if finished is not None:
                model.load(self.weights)
                record = finished
            else:
                self._fit(model)
                record = self._summarised(planned)
                self.folder.write_training(record)
        self.record = record
        return record

    def _finished(self, planned: TrainingRecord) -> TrainingRecord | None:
        """Return the record of this very training if the folder holds it, with its weights."""
        record = self.folder.read_training()
        if record is None or not self.weights.exists():
            return None
        names = ("benchmark", "sampler", "budget", "seed", "steps")
        return record if all(getattr(record, name) == getattr(planned, name) for name in names) else None

    def _fit(self, model: Any) -> None:
        # an interrupted training continues: its history and its duration are counted
        settings = self.settings
        self._restore_history()
        earlier_seconds = self.history.steps[-1].seconds if self.history.steps else 0.0
        start = time.monotonic()
        steps = settings.steps
        # every so many steps the samples are scored, and after the last step in any case
        every = max(1, steps // (WATCHED_STEPS_QUICK if settings.budget == "quick" else WATCHED_STEPS))
        source = open_source(settings.benchmark.train)
        with progress_bar(steps, f"{self.sampler}, seed {self.seed}", "step", show=settings.progress) as bar:

            def watch(step: int, losses: Mapping[str, float]) -> None:
                bar.update(step - bar.n)
                bar.set_postfix({name: f"{loss:.3g}" for name, loss in losses.items()}, refresh=False)
                if step % every == 0 or step == steps:
                    self._measure(model, step, losses, round(earlier_seconds + time.monotonic() - start, 1))

            # the sampler itself writes and reads the checkpoint
            with guest_code(f"The training of {self.sampler!r} (seed {self.seed})"):
                model.fit(source, seed=self.seed, steps=steps, watch=watch, checkpoint=self.folder.checkpoint)
        # the chosen weights are in most cases not those of the last step
        if self.weights.exists():
            model.load(self.weights)
        curves_figure(self.history, self.folder.curves)

    def _restore_history(self) -> None:
        """Read the history of an interrupted training, which is valid only together with its checkpoint."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if self.folder.checkpoint.exists():
            self.history = self.folder.read_history()

    def _measure(self, model: Any, step: int, losses: Mapping[str, float], seconds: float) -> None:
        """Score the samples of this step on the validation split, and save the weights if they are the best so far."""
        recipe = self.settings.benchmark
        # the same seed at every step: differences between steps come from the weights, not from the draw
        result = score(
            model,
            reference=recipe.validation,
            features=recipe.features,
            metrics=recipe.watch,
            seed=self.seed,
            progress=False,
        )
        validation, error = result.scores[0].value, result.scores[0].error or 0.0
        # within one standard error of the best value the later checkpoint wins, because it was trained longer
        best = min((earlier.validation for earlier in self.history.before(step)), default=math.inf)
        kept = hasattr(model, "save") and validation <= best + error
        # a sampler without save is scored with the weights of its last step
        if kept:
            model.save(self.weights)
        critic = critic_estimate(model, recipe.density, seed=self.seed) if recipe.density else None
        # write the history after every measurement, because the training may be interrupted
        self.history = self.history.extended(WatchedStep(step, dict(losses), validation, kept, seconds, critic))
        self.folder.write_history(self.history)

    def _summarised(self, planned: TrainingRecord) -> TrainingRecord:
        """Complete the record with a summary of the history."""
        # the critic's estimate of the last step stands for the training
        benchmark, steps = self.settings.benchmark, self.history.steps
        critic = steps[-1].critic if steps else None
        return replace(
            planned,
            seconds=steps[-1].seconds if steps else 0.0,
            chosen_step=self.history.chosen_step,
            chosen_by=f"{benchmark.watch} on {benchmark.validation}",
            instability=instability([step.validation for step in steps]),
            critic=_with_correlation(critic, self.history) if critic and critic.quantity in ("w1", "value") else None,
        )


def _with_correlation(critic: CriticRecord, history: History) -> CriticRecord:
    """Add the Spearman correlation, over the training, of the critic's estimate and the exact value."""
    from scipy.stats import spearmanr

    estimates = [step.critic for step in history.steps if step.critic is not None]
    if len(estimates) < 3:
        return critic
    pairs = [each.claimed for each in estimates], [each.exact for each in estimates]
    correlation = float(spearmanr(*pairs).statistic)
    # the correlation is undefined if one of the two never changes
    return replace(critic, rank_correlation=correlation if np.isfinite(correlation) else None)


def instability(values: Sequence[float]) -> float | None:
    """Return the relative spread (standard deviation over mean) of the last quarter of a watched metric.

    None if the last quarter has fewer than two values or the mean 0.
    """
    # at least two values, also in short trainings
    last = np.asarray(values[-max(2, len(values) // 4) :], np.float64)
    if len(last) < 2 or not last.mean():
        return None
    return float(last.std(ddof=1) / abs(last.mean()))
