"""Mode coverage: how many of the known modes a sampler hits, how evenly, and with what share of good samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from genbench.arrays import Bool, Float64, Int64
from genbench.errors import InputError, PlugError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import INDEPENDENT, influence_of
from genbench.metrics.mode_parts import kl_parts, tv_parts
from genbench.plugs.contracts import Influence, Score


class Estimate(NamedTuple):
    """A number, its standard error, and what a perfect sampler would score on average with as many samples.

    For a divergence over high-quality samples, "as many" means as many of these.
    """

    value: float
    error: float
    expected: float


@dataclass(frozen=True, eq=False)
class ModeCoverageResult:
    """What ``mode_coverage`` found; divergences in nats."""

    captured: Estimate
    """Modes of the target with at least one high-quality sample."""
    balanced: Estimate
    """Modes of the target with at least 20 % of their fair share of the high-quality samples."""
    high_quality: Estimate
    """Share of high-quality samples; a perfect sampler's share is not known here and stands as 1."""
    kl: Estimate
    """KL(histogram of the high-quality samples || target)."""
    kl_all: Estimate
    """KL(histogram of all samples || target)."""
    tv: Estimate
    """Total variation between the histogram of the high-quality samples and the target, 0..1."""
    counts: Int64
    """int64 [K], high-quality samples in each mode."""
    counts_all: Int64
    """int64 [K], all samples in each mode."""
    invented: int
    """Modes that have samples although the target has none there."""


BALANCED_SHARE = 0.2


def mode_coverage(
    mode: npt.ArrayLike,
    *,
    modes: int,
    quality: npt.ArrayLike | None = None,
    target: npt.ArrayLike | None = None,
) -> ModeCoverageResult:
    """Return how a sampler covers ``modes`` known modes.

    Captured modes and high-quality share as in VEEGAN (Srivastava et al. 2017, arXiv 1705.07761), reverse KL
    sum_k q_k ln(q_k / p_k) as in PacGAN (Lin et al. 2017, arXiv 1712.04086). One lucky sample captures a mode, so
    ``balanced`` asks for 20 % of the fair share. A perfect sampler's KL is (K - 1) / 2N, not 0.

    Where samples fall into a mode that the target lacks, the KL would be infinite: half a sample is then added to every
    mode of the target. Without any high-quality sample, ``kl`` and ``tv`` are the largest they can be (all mass on
    the rarest mode). Errors: the plug-in binomial for counts and shares; the delta method for divergences, for the KL
    not below the variance (K - 1)/2 (1/N + 1/M)^2 that is left where the histograms agree (the TV's error is up to
    1.6 times too wide there).

    ``mode`` int [N] in 0..modes-1; ``quality`` bool [N], by default all true; ``target`` the reference's counts,
    float [modes], by default a known uniform target. Raises InputError where these do not fit.
    """
    labels, good, weights = _checked(mode, modes, quality, target)
    counts_all = np.bincount(labels, minlength=modes)
    counts = np.bincount(labels[good], minlength=modes)
    present = weights > 0
    invented = int((counts_all[~present] > 0).sum())
    # a uniform target is known exactly: only a counted one adds its own sampling error
    size = np.inf if target is None else float(weights.sum())
    if invented:
        weights = weights + 0.5
    share = weights / weights.sum()
    return ModeCoverageResult(
        captured=_covered(counts, share, present, 0.0, len(labels)),
        balanced=_covered(counts, share, present, BALANCED_SHARE, len(labels)),
        high_quality=_share(good),
        kl=_kl(counts, share, size),
        kl_all=_kl(counts_all, share, size),
        tv=_total_variation(counts, share, size),
        counts=counts,
        counts_all=counts_all,
        invented=invented,
    )


def _checked(
    mode: npt.ArrayLike, modes: int, quality: npt.ArrayLike | None, target: npt.ArrayLike | None
) -> tuple[Int64, Bool, Float64]:
    labels = np.asarray(mode)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise InputError(f"Modes are integers [N], but {labels.dtype} {list(labels.shape)} came.")
    if labels.min() < 0 or labels.max() >= modes:
        raise InputError(f"Modes lie in 0..{modes - 1}, but {labels.min()}..{labels.max()} came.")
    good = np.ones(len(labels), np.bool_) if quality is None else np.asarray(quality)
    if good.shape != labels.shape or good.dtype != np.bool_:
        raise InputError(f"Quality is bool [{len(labels)}], but {good.dtype} {list(good.shape)} came.")
    weights = np.ones(modes) if target is None else np.asarray(target, np.float64)
    if weights.shape != (modes,) or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.sum() > 0:
        raise InputError(f"The target is {modes} counts from 0 up, one a mode and not all 0; {weights.tolist()} came.")
    return labels.astype(np.int64), good, weights


def _covered(counts: Int64, share: Float64, present: Bool, least: float, samples: int) -> Estimate:
    """Count the target's modes with ``least`` of their fair share, and at least one sample."""
    total = int(counts.sum())
    wanted = _wanted(least, total, share)[present]
    here = counts[present]
    chance = _chance(wanted, total, here / max(total, 1))
    perfect = _chance(_wanted(least, samples, share)[present], samples, share[present])
    value = float((here >= wanted).sum())
    return Estimate(value, float(np.sqrt((chance * (1 - chance)).sum())), float(perfect.sum()))


def _wanted(least: float, total: int, share: Float64) -> Float64:
    # the small number keeps 20 % of 25 at 5 when it is 5.000000000000001
    return np.asarray(np.maximum(np.ceil(least * total * share - 1e-9), 1))


def _chance(wanted: Float64, total: int, share: Float64) -> Float64:
    """Return the probability that a mode gets as many of ``total`` samples as wanted."""
    return np.asarray(stats.binom.sf(wanted - 1, total, share), np.float64)


def _share(good: Bool) -> Estimate:
    value = float(good.mean())
    return Estimate(value, float(np.sqrt(value * (1 - value) / len(good))), 1.0)


def _kl(counts: Int64, share: Float64, size: float) -> Estimate:
    total = int(counts.sum())
    if not total:
        return Estimate(float(-np.log(share[share > 0].min())), 0.0, 0.0)
    here = counts / total
    hit = here > 0
    ratio = here[hit] / share[hit]
    value = float((here[hit] * np.log(ratio)).sum())
    spread = float((here[hit] * np.log(ratio) ** 2).sum()) - value**2
    spread_of_target = float((here[hit] * ratio).sum()) - 1
    expected = (int((share > 0).sum()) - 1) / 2 * (1 / total + 1 / size)
    floor = expected * (1 / total + 1 / size)
    # where the histograms agree, the variance is that of a chi-squared, and noise lends the delta method twice as much
    variance = max(spread / total + spread_of_target / size - floor, floor)
    return Estimate(max(value, 0.0), float(np.sqrt(variance)), expected)


def _total_variation(counts: Int64, share: Float64, size: float) -> Estimate:
    total = int(counts.sum())
    if not total:
        return Estimate(float(1 - share[share > 0].min()), 0.0, 0.0)
    here = counts / total
    apart = here - share
    sign = np.sign(apart) / 2
    spread = float((here * sign**2).sum() - (here * sign).sum() ** 2) / total
    spread_of_target = float((share * sign**2).sum() - (share * sign).sum() ** 2) / size
    expected = float(np.sqrt(2 / np.pi * share * (1 - share) * (1 / total + 1 / size)).sum()) / 2
    return Estimate(
        float(np.abs(apart).sum() / 2), float(np.sqrt(max(spread + spread_of_target, 0.0))), float(min(expected, 1.0))
    )


@dataclass(frozen=True)
class ModeCoverage:
    """The metric ``modes``: coverage of the extractor's modes, against the reference's histogram or a uniform one.

    The extractor's view ``quality`` tells which samples are of high quality; without it all are.
    """

    target: Literal["reference", "uniform"] = "reference"
    perfect: float | None = None
    """High-quality share of a perfect sampler, where theory tells it; else the reference's own share is shown."""

    needs: ClassVar[tuple[str, ...]] = ("mode",)

    def __post_init__(self) -> None:
        if self.target not in ("reference", "uniform"):
            raise UsageError(f"The target of modes is 'reference' or 'uniform', not {self.target!r}.")

    @property
    def reference(self) -> Literal["none", "rows"]:
        return "rows" if self.target == "reference" else "none"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return captured and balanced modes, the high-quality share, and the histogram's divergences."""
        rows = reference if isinstance(reference, Features) and self.target == "reference" else None
        if rows is None and self.target == "reference":
            raise PlugError("Mode coverage needs reference samples; name some, or write modes,target=uniform.")
        mode, modes, theirs = _labels(generated, rows)
        quality = _quality(generated)
        target = None if theirs is None else np.bincount(theirs, minlength=modes)
        found = mode_coverage(mode, modes=modes, quality=quality, target=target)
        perfect = self.perfect
        if perfect is None and rows is not None and "quality" in rows.views:
            perfect = float(rows["quality"].mean())
        parts = _parts(found, mode, quality, theirs)
        return [
            score._replace(influence=parts[score.name], detail={**score.detail, "error_by": _method(score.name)})
            for score in _scores(found, perfect)
        ]


def _method(name: str) -> str:
    return "delta method" if name in ("mode_kl", "mode_kl_all", "mode_tv") else "binomial"


def _parts(
    found: ModeCoverageResult, mode: Int64, quality: Bool | None, reference_mode: Int64 | None
) -> dict[str, Influence | None]:
    """Return where each error comes from; ``reference_mode`` is None where the target is uniform.

    The numbers of modes and the high-quality share owe nothing to the reference.
    """
    good = np.ones(len(mode), np.bool_) if quality is None else quality
    everyone, modes = np.ones_like(good), len(found.counts)
    theirs = np.zeros(0, np.int64) if reference_mode is None else reference_mode
    share = np.full(modes, 1 / modes) if reference_mode is None else np.bincount(theirs, minlength=modes) / len(theirs)
    return {
        "modes": INDEPENDENT,
        "modes_balanced": INDEPENDENT,
        "high_quality": influence_of(good / len(mode), error=found.high_quality.error),
        "mode_kl": kl_parts(mode, good, share, theirs, found.kl.error),
        "mode_kl_all": kl_parts(mode, everyone, share, theirs, found.kl_all.error),
        "mode_tv": tv_parts(mode, good, share, theirs, found.tv.error),
    }


def _labels(generated: Features, reference: Features | None) -> tuple[Int64, int, Int64 | None]:
    """Return the generated modes, how many modes there are, and the reference's modes."""
    mode = generated["mode"]
    modes = generated.modes or (reference.modes if reference is not None else None)
    if reference is None:
        if modes is None:
            raise PlugError(
                f"The extractor {generated.extractor!r} does not say how many modes there are, so no target can be "
                f"uniform over them; give it an attribute `modes`."
            )
        return mode, modes, None
    theirs = reference["mode"]
    if modes is None:
        names, places = np.unique(np.concatenate([mode, theirs]), return_inverse=True)
        mode, theirs, modes = places[: len(mode)], places[len(mode) :], len(names)
    if theirs.min() < 0 or theirs.max() >= modes:
        raise PlugError(f"{reference.name} has modes {theirs.min()}..{theirs.max()}, but 0..{modes - 1} is wanted.")
    return mode, modes, theirs


def _quality(features: Features) -> Bool | None:
    return features["quality"].astype(np.bool_) if "quality" in features.views else None


def _scores(found: ModeCoverageResult, perfect: float | None) -> list[Score]:
    detail: dict[str, Any] = {
        "expected": found.captured.expected,
        "total": len(found.counts),
        "samples": int(found.counts_all.sum()),
        "high_quality_samples": int(found.counts.sum()),
    }
    if found.invented:
        detail["outside_reference"] = found.invented
    if len(found.counts) <= 1000:
        detail |= {"counts": found.counts.tolist(), "counts_all": found.counts_all.tolist()}
    warning = _warning(found)
    if warning:
        detail["warning"] = warning
    share = {} if perfect is None else {"expected": perfect}
    kept = found.balanced, found.kl, found.kl_all, found.tv
    balanced, kl, kl_all, tv = ({"expected": estimate.expected} for estimate in kept)
    return [
        Score("modes", found.captured.value, found.captured.error, "higher", detail, "modes_captured"),
        Score("modes_balanced", found.balanced.value, found.balanced.error, "higher", balanced),
        Score(
            "high_quality", found.high_quality.value, found.high_quality.error, "higher", share, "high_quality_share"
        ),
        Score("mode_kl", found.kl.value, found.kl.error, "lower", kl, "mode_kl_divergence"),
        Score("mode_kl_all", found.kl_all.value, found.kl_all.error, "lower", kl_all, "mode_kl_divergence_all"),
        Score("mode_tv", found.tv.value, found.tv.error, "lower", tv, "mode_total_variation"),
    ]


def _warning(found: ModeCoverageResult) -> str | None:
    said = []
    good, samples, modes = int(found.counts.sum()), int(found.counts_all.sum()), len(found.counts)
    if samples < 5 * modes:
        said.append(
            f"{samples} samples for {modes} modes are few: a perfect sampler too would capture only about "
            f"{found.captured.expected:.0f}"
        )
    if not good:
        said.append("no sample is of high quality: mode_kl and mode_tv are set to the largest value that they can take")
    elif good < 5 * modes:
        said.append(
            f"{good} high-quality samples for {modes} modes are few: mode_kl is biased upward by about "
            f"{found.kl.expected:.2g}"
        )
    if found.invented:
        said.append(
            f"{found.invented} modes have samples but no reference: half a sample was added to each mode of the "
            f"reference to keep the divergences finite"
        )
    return "; ".join(said) + "." if said else None
