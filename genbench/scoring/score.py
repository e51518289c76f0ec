"""``score``: samples or a sampler in, a Result out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.benchmarks import Benchmark
from genbench.errors import UsageError
from genbench.features.features import Features
from genbench.plugs.registry import installed, load
from genbench.plugs.specs import parse_spec
from genbench.results import Result
from genbench.scoring.metric_lists import metric_specs
from genbench.scoring.options import Options, ScoreOptions
from genbench.scoring.plan import Plan
from genbench.scoring.sides import open_sides
from genbench.scoring.statistics_pair import score_statistics, statistics_of
from genbench.scoring.until_decided import Until, score_until

if TYPE_CHECKING:
    from typing_extensions import Unpack


def score(
    subject: object,
    benchmark: str | Benchmark | None = None,
    *,
    until: Until | None = None,
    **options: Unpack[ScoreOptions],
) -> Result:
    """Score a subject against a benchmark or a reference: ``score("out/", reference="real/")``.

    ``subject``: a path (folder, archive, array or other file), a spec (``"digits,split=train"``,
    ``"acme.models:Fractal,depth=5"``), a sampler (any object with ``sample(count, seed)``, or a callable), an array or
    tensor of images, a Dataset, an iterable of batches, or Features or Moments, or a file of them. ``until``: draw and
    score only as many samples as it takes to decide whether the subject is worse than a baseline; ``decision`` of the
    result says how. ``options``: the fields of ``Options``. Raises UsageError for names and options that do not exist
    or do not go together, InputError for samples that cannot be used, PlugError if a guest raises.
    """
    _refuse_path(benchmark)
    statistics = statistics_of(subject) if until is None else None
    if statistics is not None:
        result = score_statistics(statistics, benchmark, Options.of(options))
    elif until is None:
        result = Plan.make(subject, benchmark, Options.of(options)).score()
    elif options.get("panel") is not None:
        raise UsageError(
            "The ratios of a panel depend on the number of samples, so they do not decide; leave out panel."
        )
    else:
        result = score_until(subject, benchmark, Options.of(options), until).result
    return replace(result, spec=str(subject)) if isinstance(subject, (str, Path)) else result


def _refuse_path(benchmark: str | Benchmark | None) -> None:
    """Raise UsageError for a path in the place of a benchmark; ``genbench score OUT REAL`` has the reference there."""
    if not isinstance(benchmark, str) or parse_spec(benchmark).name in installed("benchmarks"):
        return
    if Path(benchmark).exists():
        raise UsageError(f"{benchmark!r} is a path and no benchmark; write reference={benchmark!r} to compare with it.")


def features_of(subject: object, **options: Unpack[ScoreOptions]) -> Features:
    """Return the Features of samples that ``score`` would compute. The options are those of ``score``.

    With ``metrics``, the optional views that they read are computed as well.
    """
    return features_and_hints(subject, Options.of(options))[0]


def features_and_hints(subject: object, options: Options) -> tuple[Features, tuple[str, ...]]:
    """Return what ``features_of`` returns, and a sentence if Inception was replaced."""
    sides = open_sides(subject, options)
    if sides.options.metrics is not None:
        metrics = [load("metrics", replace(spec, extractor=None)) for spec in metric_specs(sides.options.metrics)]
        sides.add_views(sides.default_extractor, metrics)
    return sides.features("generated", sides.default_extractor), sides.hints
