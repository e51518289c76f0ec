"""``Watcher``: a callback that scores a model within its training loop, from what is in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from genbench.errors import UsageError
from genbench.plugs.contracts import Sampler, Tracker
from genbench.plugs.declared_form import DeclaredForm, DeclaredSampler
from genbench.plugs.opening import open_reference, open_subject
from genbench.plugs.registry import installed, load, open_accepted
from genbench.plugs.specs import Spec
from genbench.results import Result
from genbench.scoring.default_extractor import INSTALLED_NETWORK
from genbench.scoring.metric_lists import metric_specs
from genbench.scoring.named_reference import open_named_reference
from genbench.scoring.options import Options, WatchOptions
from genbench.scoring.plan import Plan
from genbench.scoring.tracking import log_result, open_tracker

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Watcher:
    """A callback that scores every ``every`` steps, including step 0. It does nothing on the other steps.

    ``watch(step, samples)`` takes what ``score`` takes: uint8 images as a tensor or array, float images if ``range``
    is declared as ``"0..1"`` or ``"-1..1"``, float [N, D] points, or a sampler of these, such as a function
    ``f(count, seed)``, which is called only on the steps that are scored. It returns the Result, or None::

        watch = Watcher("digits,split=test", every=1000, features="digits", metrics="fd,is", range="-1..1")
        for step in range(steps):
            ...
            watch(step, lambda count, seed: generator(torch.randn(count, 64)))

    The first step that is scored loads the extractor and computes the reference's features; both stay in memory.
    Nothing is written to disk, except what ``log_to`` (the spec of a tracker, or a Tracker) writes, iterables of
    batches, and features of more than 1 GiB, which are kept in a temporary file. With the same ``features``, the
    numbers are those of ``score``.

    Without ``features``, images are scored in the features of ``efficientnet-lite0``, and not of Inception as by
    ``score``: it takes a fraction of the time, and its weights are installed with genbench, so training on a machine
    without network is scored, too. The distance is then ``fd@efficientnet-lite0``. Inception is used for
    ``features="inception"``, for ``metrics`` with ``fid`` or ``kid``, and if the reference is a file of its statistics.

    The watcher is a plain function of a step and samples, so it works in any loop: in Lightning call it in
    ``on_train_batch_end`` with ``trainer.global_step``, in Ignite in a handler of ``ITERATION_COMPLETED`` with
    ``engine.state.iteration``. With several processes, call it in one of them. The tutorial has callbacks for Lightning
    and Accelerate.

    ``options``: the fields of ``Options`` without ``cache``. All metrics must have the same extractor. Raises
    UsageError for names and options that do not exist, InputError for samples that cannot be used, PlugError if a
    guest raises.
    """

    def __init__(
        self,
        reference: object,
        *,
        every: int = 1000,
        range: str | None = None,
        log_to: str | Tracker | None = None,
        **options: Unpack[WatchOptions],
    ) -> None:
        if every < 1:
            raise UsageError(f"every is {every}; it must be 1 step or more.")
        if "cache" in options:
            raise UsageError("A watcher writes nothing to disk; leave out cache.")
        # score("digits") would take the recipe of that name, and a watcher its samples
        if isinstance(reference, str) and reference in installed("benchmarks"):
            raise UsageError(
                f"{reference!r} is a benchmark for score, and a watcher needs samples to compare with; name them: "
                'Watcher("digits,split=test").'
            )
        self.every = every
        self._range = range
        self._options = Options.of(
            {"name": "training", "progress": False, **options, "cache": False, "reference": reference}
        )
        self._prepared: Options | None = None
        self._check()
        self._tracker = None if log_to is None else open_tracker(log_to)

    def __call__(self, step: int, subject: object) -> Result | None:
        """Score a subject on every ``every``-th step, and send the result to the tracker if there is one."""
        if step % self.every:
            return None
        # the first scored step opens the extractor and extracts the reference
        subject = self._in_range(subject)
        if self._prepared is None:
            self._prepared = self._prepare(subject)
        result = Plan.make(subject, None, self._prepared).score()
        if self._tracker is not None:
            log_result(result, self._tracker, step=step)
        return result

    def close(self) -> None:
        """Finish the runs of the tracker. Each result was sent when it was computed."""
        if self._tracker is not None:
            self._tracker.close()

    def _check(self) -> None:
        """Raise errors about mistyped names before the training starts."""
        if self._options.panel is not None:
            raise UsageError("A watcher has one extractor; leave out panel, and score a panel after the training.")
        # load each metric once, and open the reference without reading it
        for spec in metric_specs(self._options.metrics) if self._options.metrics is not None else ():
            load("metrics", spec)
        options, _ = open_named_reference(self._options)
        open_reference(options.reference)
        open_reference(options.train)

    def _prepare(self, subject: object) -> Options:
        """Return the options with the opened extractor and the reference's features instead of their names."""
        plan = Plan.make(subject, None, self._options, preferred=INSTALLED_NETWORK)
        sides = plan.sides
        (extractor, metrics), *more = plan.metrics.items()
        if more:
            raise UsageError(f"A watcher has one extractor; leave out the metrics of {more[0][0]!r}.")
        # moments are enough unless a metric needs the rows of the reference
        reference: object | None = None
        if sides.moments is not None and not any(sides.needs_rows(metric) for metric in metrics):
            reference = sides.moments
        elif sides.rows is not None:
            reference = sides.features("reference", extractor)
        # the training samples are extracted only if a metric takes them
        train = next((rows for metric in metrics if (rows := sides.train(metric, extractor)) is not None), None)
        return replace(self._options, features=sides.extractor(extractor), reference=reference, train=train)

    def _in_range(self, subject: object) -> object:
        """Return float images, or a sampler of them, with the declared range."""
        if self._range is None:
            return subject
        # samplers are wrapped, because their samples do not exist yet
        if callable(subject) or isinstance(subject, Sampler):
            return DeclaredSampler(open_subject(subject), DeclaredForm(self._range), type(subject).__name__)
        return _with_range(subject, self._range)


def _with_range(samples: object, range: str) -> Any:
    source = open_accepted(("sources",), samples, Spec("array", {"range": range}))
    if source is None:
        raise UsageError(f"A {type(samples).__name__} has no range to declare; leave out range={range}.")
    return source
