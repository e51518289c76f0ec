"""Scores inside a training loop: every k steps, from what is in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genbench.errors import UsageError
from genbench.plugs import registry
from genbench.plugs.contracts import Metric, Sampler, Tracker
from genbench.plugs.opening import open_reference, open_subject
from genbench.plugs.specs import Spec, parse_specs
from genbench.results import Result
from genbench.scoring.score import checked_options, planned, score
from genbench.scoring.sides import Looker
from genbench.tracking import log_result, open_tracker


class Watcher:
    """A callback that scores every ``every`` steps, step 0 included; on other steps it costs nothing.

    ``watch(step, samples)`` takes what ``score`` takes: uint8 images as a tensor or array, float images where ``range``
    is declared as ``"0..1"`` or ``"-1..1"``, float [N, D] points, or a sampler of these, such as a function
    ``f(count, seed)``, which is called only on the steps that are scored. It returns the Result, or None::

        watch = Watcher("digits,split=test", every=1000, features="digits", metrics="fd,is", range="-1..1")
        for step in range(steps):
            ...
            watch(step, lambda count, seed: generator(torch.randn(count, 64)))

    The extractor is loaded and the reference looked at on the first step that is scored, and both are kept in memory.
    Neither is anything else written to disk, but for what ``log_to`` (a tracker's spec, or a Tracker) keeps, iterables
    of batches, and features of more than 1 GiB, which lie in a temporary file. The numbers are those of ``score``.

    It is a plain function of a step and samples, so it fits any loop: in Lightning call it in
    ``on_train_batch_end`` with ``trainer.global_step``, in Ignite in a handler of ``ITERATION_COMPLETED`` with
    ``engine.state.iteration``; of several processes in one.

    ``options``: the fields of ``Options``, without ``cache``; all metrics are those of one extractor. Raises UsageError
    for names and options that do not exist, InputError for samples that cannot be used, PlugError where a guest errs.
    """

    def __init__(
        self,
        reference: object,
        *,
        every: int = 1000,
        range: str | None = None,
        log_to: str | Tracker | None = None,
        **options: Any,
    ) -> None:
        if every < 1:
            raise UsageError(f"every is {every}; wanted 1 step or more.")
        if "cache" in options:
            raise UsageError("A watcher writes nothing to disk; leave out cache.")
        self.every = every
        self._range = range
        self._options: dict[str, Any] = {
            "name": "training",
            "progress": False,
            **options,
            "cache": False,
            "reference": reference,
        }
        self._looked = False
        self._check()
        self._tracker = None if log_to is None else open_tracker(log_to)

    def __call__(self, step: int, subject: object) -> Result | None:
        """Score a subject if it is time to, and log the result where ``log_to`` says."""
        if step % self.every:
            return None
        subject = self._in_range(subject)
        if not self._looked:
            self._look(subject)
        result = score(subject, **self._options)
        if self._tracker is not None:
            log_result(result, self._tracker, step=step)
        return result

    def close(self) -> None:
        """End what the tracker has begun; each result was sent when it came."""
        if self._tracker is not None:
            self._tracker.close()

    def _check(self) -> None:
        """Say what is mistyped before the training begins."""
        how = checked_options(self._options)
        for spec in parse_specs(how.metrics) if how.metrics is not None else ():
            registry.load("metrics", spec)
        open_reference(how.reference)

    def _look(self, subject: object) -> None:
        """Load the extractor, look at the reference, and go on with these instead of their names."""
        looker, plan, _ = planned(subject, **self._options)
        (space, metrics), *more = plan.items()
        if more:
            raise UsageError(f"A watcher looks through one extractor; leave out the metrics of {more[0][0]!r}.")
        self._options |= {"features": looker.extractor(space), "reference": _seen(looker, space, metrics)}
        self._looked = True

    def _in_range(self, subject: object) -> object:
        """Return float images, or a sampler of them, with the range that is declared."""
        if self._range is None:
            return subject
        if callable(subject) or isinstance(subject, Sampler):
            return _InRange(open_subject(subject), self._range)
        return _with_range(subject, self._range)


@dataclass
class _InRange:
    """A sampler of float images as one of uint8."""

    sampler: Any
    range: str

    def sample(self, count: int, seed: int) -> Any:
        """Return uint8 [count, 3, H, W]."""
        return next(_with_range(self.sampler.sample(count, seed), self.range).batches(count)).data


def _with_range(samples: object, range: str) -> Any:
    found = registry.open_subject("sources", samples, Spec("array", {"range": range}))
    if found is None:
        raise UsageError(f"A {type(samples).__name__} has no range to declare; leave out range={range}.")
    return found


def _seen(looker: Looker, space: str, metrics: list[Metric]) -> object:
    """Return what the metrics compare with: the reference's features, its moments where these are enough, or None."""
    if looker.sides.moments is not None and not any(looker.wants_rows(metric) for metric in metrics):
        return looker.sides.moments
    return None if looker.sides.rows is None else looker.features("reference", space)
