"""genbench: the measuring instrument for generative models.

``genbench.score(samples_or_sampler, "digits")`` gives a Result. The names below are all that is public here; they are
loaded when first used, so that importing genbench stays light.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench.benchmarks import Benchmark
    from genbench.comparison import Comparison, Difference, Standing, compare, difference, gate, leaderboard
    from genbench.errors import GenbenchError, InputError, PlugError, UsageError
    from genbench.extraction import Extraction, extract
    from genbench.features import Features, Moments
    from genbench.protocols import Batch, Extractor, Metric, Parts, Sampler, Score, Source, Tracker
    from genbench.registry import installed, load
    from genbench.report.table import table
    from genbench.results import Entry, Party, Result, read_results
    from genbench.running import run, train
    from genbench.scoring import features_of, score
    from genbench.tracking import log_result
    from genbench.watching import Watcher

_HOMES = {
    "benchmarks": ("Benchmark",),
    "comparison": ("Comparison", "Difference", "Standing", "compare", "difference", "gate", "leaderboard"),
    "errors": ("GenbenchError", "InputError", "PlugError", "UsageError"),
    "extraction": ("Extraction", "extract"),
    "features": ("Features", "Moments"),
    "protocols": ("Batch", "Extractor", "Metric", "Parts", "Sampler", "Score", "Source", "Tracker"),
    "registry": ("installed", "load"),
    "report.table": ("table",),
    "results": ("Entry", "Party", "Result", "read_results"),
    "running": ("run", "train"),
    "scoring": ("features_of", "score"),
    "tracking": ("log_result",),
    "watching": ("Watcher",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Batch",
    "Benchmark",
    "Comparison",
    "Difference",
    "Entry",
    "Extraction",
    "Extractor",
    "Features",
    "GenbenchError",
    "InputError",
    "Metric",
    "Moments",
    "Parts",
    "Party",
    "PlugError",
    "Result",
    "Sampler",
    "Score",
    "Source",
    "Standing",
    "Tracker",
    "UsageError",
    "Watcher",
    "compare",
    "difference",
    "extract",
    "features_of",
    "gate",
    "installed",
    "leaderboard",
    "load",
    "log_result",
    "read_results",
    "run",
    "score",
    "table",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("genbench")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'genbench' has no attribute {name!r}")
    return getattr(import_module(f"genbench.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
