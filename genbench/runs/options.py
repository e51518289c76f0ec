"""The options of ``run`` and ``train``, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from genbench.benchmarks import Benchmark, open_benchmark
from genbench.distributed import Ranks
from genbench.errors import UsageError, did_you_mean
from genbench.plugs.opening import open_source


class TrainOptions(TypedDict, total=False):
    """The options of ``train``. ``RunSettings`` explains them and holds their defaults."""

    budget: str
    seed: int
    out: Path | str
    progress: bool | None


class RunOptions(TrainOptions, total=False):
    """The options of ``run``. ``RunSettings`` explains them and holds their defaults."""

    repeats: int
    jobs: int
    ranks: Ranks | None


@dataclass(frozen=True)
class RunSettings:
    """What to train and score. A run with the same settings in the same folder continues where the last one stopped."""

    benchmark: Benchmark
    samplers: tuple[str, ...]
    """Names or specs."""
    budget: str = "full"
    """Name of the number of training steps, one of the keys of ``benchmark.steps``."""
    seed: int = 0
    """The first training seed."""
    out: Path = Path("runs")
    """Folder for weights, figures and results."""
    progress: bool | None = None
    """Whether to show progress bars on stderr; None shows them if stderr is a terminal."""
    repeats: int = 3
    """Number of training seeds of each sampler."""
    jobs: int = 1
    """Number of trials that run at the same time, each in a process with one thread."""
    ranks: Ranks | None = None
    """The processes that share the trials; None if this process does all of them."""

    @property
    def steps(self) -> int:
        """Number of training steps. Raises UsageError if the benchmark has no such budget."""
        if self.budget not in self.benchmark.steps:
            raise UsageError(f"There is no budget {self.budget!r}{did_you_mean(self.budget, self.benchmark.steps)}")
        return self.benchmark.steps[self.budget]


def run_settings(
    benchmark: str | Benchmark, samplers: Sequence[str] | None, verb: str, options: Mapping[str, Any]
) -> RunSettings:
    """Return the settings of ``run`` or ``train``.

    Raises UsageError for an unknown benchmark, option or budget, InputError if the reference cannot be opened.
    """
    # type checkers refuse unknown names, but not everybody uses one
    known = (RunOptions if verb == "run" else TrainOptions).__annotations__
    for name in options:
        if name not in known:
            raise UsageError(f"{verb} has no option {name!r}{did_you_mean(name, known)}")
    # paths may be given as text
    recipe = open_benchmark(benchmark)
    changes = {**options, "out": Path(options["out"])} if "out" in options else options
    settings = RunSettings(recipe, tuple(samplers or recipe.samplers), **changes)
    # an unknown budget and samples that do not exist must stop the command before the long work
    _ = settings.steps
    open_source(recipe.reference)
    return settings
