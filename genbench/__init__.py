"""genbench: the measuring instrument for generative models.

``genbench.score(samples_or_sampler, "digits")`` returns a Result. The names below are the public API. They are loaded
when first used, so that importing genbench takes little time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench.benchmarks import Benchmark
    from genbench.checks.audit.audit import audit
    from genbench.checks.audit.record import Audit
    from genbench.comparison.differences import Difference
    from genbench.comparison.gate import gate
    from genbench.comparison.leaderboard import Standing, leaderboard
    from genbench.comparison.pairwise import Comparison
    from genbench.comparison.scored_subjects import difference
    from genbench.comparison.study_plan import StudyPlan, plan
    from genbench.errors import GenbenchError, InputError, PlugError, UsageError
    from genbench.extraction.extract import Extraction, extract
    from genbench.features.features import Features, Moments
    from genbench.plugs.contracts import Batch, Extractor, Influence, Metric, Sampler, Score, Source, Tracker
    from genbench.plugs.registry import installed, load
    from genbench.results import Entry, Result, SampleSet, read_results
    from genbench.runs import plot
    from genbench.runs.run import run, train
    from genbench.scoring.compare import compare
    from genbench.scoring.score import features_of, score
    from genbench.scoring.tracking import log_result
    from genbench.scoring.until_decided import Until
    from genbench.scoring.watcher import Watcher
    from genbench.tables.leaderboard_table import table

_HOMES = {
    "benchmarks": ("Benchmark",),
    "checks.audit.audit": ("audit",),
    "checks.audit.record": ("Audit",),
    "comparison.differences": ("Difference",),
    "comparison.gate": ("gate",),
    "comparison.leaderboard": ("Standing", "leaderboard"),
    "comparison.pairwise": ("Comparison",),
    "comparison.scored_subjects": ("difference",),
    "comparison.study_plan": ("StudyPlan", "plan"),
    "errors": ("GenbenchError", "InputError", "PlugError", "UsageError"),
    "extraction.extract": ("Extraction", "extract"),
    "features.features": ("Features", "Moments"),
    "runs": ("plot",),
    "plugs.contracts": ("Batch", "Extractor", "Metric", "Influence", "Sampler", "Score", "Source", "Tracker"),
    "plugs.registry": ("installed", "load"),
    "results": ("Entry", "SampleSet", "Result", "read_results"),
    "runs.run": ("run", "train"),
    "scoring.compare": ("compare",),
    "scoring.score": ("features_of", "score"),
    "scoring.tracking": ("log_result",),
    "scoring.until_decided": ("Until",),
    "scoring.watcher": ("Watcher",),
    "tables.leaderboard_table": ("table",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Audit",
    "Batch",
    "Benchmark",
    "Comparison",
    "Difference",
    "Entry",
    "Extraction",
    "Extractor",
    "Features",
    "GenbenchError",
    "Influence",
    "InputError",
    "Metric",
    "Moments",
    "PlugError",
    "Result",
    "SampleSet",
    "Sampler",
    "Score",
    "Source",
    "Standing",
    "StudyPlan",
    "Tracker",
    "Until",
    "UsageError",
    "Watcher",
    "audit",
    "compare",
    "difference",
    "extract",
    "features_of",
    "gate",
    "installed",
    "leaderboard",
    "load",
    "log_result",
    "plan",
    "plot",
    "read_results",
    "run",
    "score",
    "table",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("genbench")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'genbench' has no attribute {name!r}")
    # plot is a module
    home = f"genbench.{_HOME_OF[name]}"
    return import_module(f"{home}.{name}") if name == "plot" else getattr(import_module(home), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
