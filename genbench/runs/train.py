"""Train one sampler on a benchmark with one seed, watch the training and choose the best checkpoint.

An interrupted training continues from its last checkpoint, and a finished training is never repeated.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from genbench.errors import DivergedError, GenbenchError, InputError, guest_code
from genbench.files.progress_bar import progress_bar, tell
from genbench.plugs.opening import open_sampler, open_source
from genbench.plugs.sampler_calls import seeded_generators
from genbench.results import CriticRecord, TrainingRecord
from genbench.runs.critic_estimates import critic_estimate
from genbench.runs.folder import DEFAULT_SUFFIX, RunFolder
from genbench.runs.history import History, WatchedStep
from genbench.runs.options import RunSettings
from genbench.runs.pictures import curves_figure
from genbench.runs.scorable import is_trainable
from genbench.scoring.score import score

WATCHED_STEPS = 20
"""How many times during a training the samples are scored against the validation split."""
WATCHED_STEPS_QUICK = 5
"""The same for the budget ``quick``, whose few steps are faster than 20 scores."""


class _NotResumable(GenbenchError):
    """The files of an interrupted training do not fit together."""


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
    _suffix: str = DEFAULT_SUFFIX

    @property
    def folder(self) -> RunFolder:
        """Where the training writes its files."""
        return RunFolder(self.settings.out, self.settings.benchmark.name, self.sampler, self.seed, self._suffix)

    @property
    def weights(self) -> Path:
        """Path of the chosen weights."""
        return self.folder.best_weights

    def train(self) -> Any:
        """Open the sampler, train it if it can be trained, and return it with the chosen weights.

        The caller holds the lock of the folder. Raises PlugError if the sampler raises; its last checkpoint and the
        best weights so far stay in the folder.
        """
        settings, model = self.settings, self._opened()
        self._suffix = getattr(model, "weights_suffix", DEFAULT_SUFFIX)
        self.record = TrainingRecord(settings.budget, self.seed)
        if not is_trainable(model):
            return model
        # everything that makes two trainings the same
        planned = replace(self.record, benchmark=str(settings.benchmark), sampler=self.sampler, steps=settings.steps)
        # never repeat a finished training
        finished = self._finished(planned)
        if finished is None or not self._load_best(model):
            model = self._fitted(model)
            finished = self._summarised(planned)
            self.folder.write_training(finished)
        self.record = finished
        return model

    def _opened(self) -> Any:
        return open_sampler(self.sampler)

    def _finished(self, planned: TrainingRecord) -> TrainingRecord | None:
        """Return the record of this very training if the folder holds it, with its weights."""
        record = self.folder.read_training()
        if record is None or not self.weights.exists():
            return None
        names = ("benchmark", "sampler", "budget", "seed", "steps")
        return record if all(getattr(record, name) == getattr(planned, name) for name in names) else None

    def _load_best(self, model: Any) -> bool:
        """Load the best weights, and return whether they are whole."""
        try:
            if self.folder.weights_are_whole():
                model.load(self.weights)
                return True
        except Exception:  # the sampler refuses the file: whatever it raises, the weights must be trained again
            return False
        return False

    def _fitted(self, model: Any) -> Any:
        """Continue an interrupted training, or start again if its files are damaged; return the trained sampler."""
        try:
            self._restore_history()
            self._fit(model)
        except _NotResumable as error:
            tell(f"{self.sampler}, seed {self.seed}: {error}; the training starts again.")
            self.folder.clear(training_only=True)
            self.history = History()
            model = self._opened()
            self._fit(model)
        # the chosen weights are in most cases not those of the last step
        if self.weights.exists():
            self._load(model)
        curves_figure(self.history, self.folder.curves)
        return model

    def _fit(self, model: Any) -> None:
        # the history and the duration of an interrupted training are counted
        settings, resumed = self.settings, self.folder.checkpoint.exists()
        earlier_seconds = self.history.steps[-1].seconds if self.history.steps else 0.0
        start = time.monotonic()
        steps, every = settings.steps, self._every
        source = open_source(settings.benchmark.train)
        with progress_bar(steps, f"{self.sampler}, seed {self.seed}", "step", show=settings.progress) as bar:

            def watch(step: int, losses: Mapping[str, float]) -> None:
                nonlocal resumed
                if resumed:
                    self._check_history(step)
                    resumed = False
                bar.update(step - bar.n)
                bar.set_postfix({name: f"{loss:.3g}" for name, loss in losses.items()}, refresh=False)
                if step % every == 0 or step == steps:
                    self._measure(model, step, losses, round(earlier_seconds + time.monotonic() - start, 1))

            # the sampler itself writes and reads the checkpoint
            with guest_code(f"The training of {self.sampler!r} (seed {self.seed})"):
                model.fit(source, seed=self.seed, steps=steps, watch=watch, checkpoint=self.folder.checkpoint)
        # the checkpoint may have been that of the last step
        if resumed:
            self._check_history(steps + 1)

    @property
    def _every(self) -> int:
        """Every so many steps the samples are scored, and after the last step in any case."""
        quick = self.settings.budget == "quick"
        return max(1, self.settings.steps // (WATCHED_STEPS_QUICK if quick else WATCHED_STEPS))

    def _restore_history(self) -> None:
        """Read the history of an interrupted training, which is valid only together with its checkpoint."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if not self.folder.checkpoint.exists():
            self.folder.clear(training_only=True)
            return
        try:
            self.history = self.folder.read_history()
        except InputError as error:
            raise _NotResumable(str(error).partition(";")[0]) from error
        # the best weights so far may be the final ones
        if self.history.chosen_step and not self._load_best(self._opened()):
            raise _NotResumable(f"{self.weights} is damaged")

    def _check_history(self, step: int) -> None:
        """Raise _NotResumable if a step that should have been watched before ``step`` is missing in the history."""
        watched = {earlier.step for earlier in self.history.steps}
        due = {*range(self._every, self.settings.steps, self._every), self.settings.steps}
        if any(each < step and each not in watched for each in due):
            raise _NotResumable(f"the history of the steps before {step} is incomplete")

    def _measure(self, model: Any, step: int, losses: Mapping[str, float], seconds: float) -> None:
        """Score the samples of this step on the validation split, and save the weights if they are the best so far."""
        validation, error = self._validation(model)
        # within one standard error of the best value the later checkpoint wins, because it was trained longer
        finite = [earlier.validation for earlier in self.history.before(step) if math.isfinite(earlier.validation)]
        best = min(finite, default=math.inf)
        # a model that has diverged has no finite value
        kept = hasattr(model, "save") and math.isfinite(validation) and validation <= best + error
        # a sampler without save is scored with the weights of its last step
        if kept:
            self._save(model)
        density = self.settings.benchmark.density
        critic = critic_estimate(model, density, seed=self.seed) if density and math.isfinite(validation) else None
        # write the history after every measurement, because the training may be interrupted
        self.history = self.history.extended(WatchedStep(step, dict(losses), validation, kept, seconds, critic))
        self.folder.write_history(self.history)

    def _save(self, model: Any) -> None:
        """Write the weights. The first time, load them into another object, so that an error does not come too late."""
        with guest_code(f"The method save of {self.sampler!r}, called with the path {self.weights},"):
            model.save(self.weights)
        self.folder.seal_weights()
        if self.history.chosen_step:
            return
        # the constructor of a guest may draw random numbers, which would change the training
        with seeded_generators(self.seed):
            other = self._opened()
            # module:attribute may name an object instead of a class
            if inspect.unwrap(other) is not inspect.unwrap(model):
                self._load(other)

    def _load(self, model: Any) -> None:
        with guest_code(f"The method load of {self.sampler!r}, called with the path {self.weights},"):
            model.load(self.weights)

    def _validation(self, model: Any) -> tuple[float, float]:
        """Return the watched metric on the validation split and its error; NaN if the model has diverged."""
        recipe = self.settings.benchmark
        # the same seed at every step: differences between steps come from the weights, not from the draw
        try:
            result = score(
                model,
                reference=recipe.validation,
                features=recipe.features,
                metrics=recipe.watch,
                seed=self.seed,
                progress=False,
            )
        except DivergedError:
            return math.nan, 0.0
        return result.scores[0].value, result.scores[0].error or 0.0

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

    None if the last quarter has fewer than two values, the mean 0 or a value that is not finite.
    """
    # at least two values, also in short trainings
    last = np.asarray(values[-max(2, len(values) // 4) :], np.float64)
    if len(last) < 2 or not last.mean() or not np.isfinite(last).all():
        return None
    return float(last.std(ddof=1) / abs(last.mean()))
