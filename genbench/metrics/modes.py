"""Mode coverage: how many of the known modes a sampler hits, how evenly, and its share of high-quality samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from genbench.array_types import Bool, Float64, Int64
from genbench.errors import InputError, PlugError, UsageError, number_of
from genbench.features.features import Features, Moments
from genbench.metrics.captured_modes import CapturedModes, captured_modes
from genbench.metrics.group_influence import INDEPENDENT, influence_of
from genbench.metrics.histogram_divergences import (
    FiniteSampleEstimate,
    histogram_kl,
    histogram_tv,
    kl_influence,
    tv_influence,
)
from genbench.metrics.share_intervals import binomial_error, wilson_interval
from genbench.plugs.contracts import Influence, Score


@dataclass(frozen=True, eq=False)
class ModeCoverageResult:
    """Result of ``mode_coverage``; divergences in nats."""

    captured: CapturedModes
    """Number of modes of the target with at least one high-quality sample."""
    balanced: CapturedModes
    """Number of modes of the target with at least 20 % of their fair share of the high-quality samples."""
    high_quality: FiniteSampleEstimate
    """Share of high-quality samples, 0..1; its expected value is unknown in this function and set to 1."""
    kl: FiniteSampleEstimate
    """KL(histogram of the high-quality samples || target)."""
    kl_all: FiniteSampleEstimate
    """KL(histogram of all samples || target)."""
    tv: FiniteSampleEstimate
    """Total variation between the histogram of the high-quality samples and the target, 0..1."""
    counts: Int64
    """int64 [K], number of high-quality samples in each mode."""
    counts_all: Int64
    """int64 [K], number of samples in each mode."""
    invented: int
    """Number of modes that have samples although the target has none."""
    share: Float64
    """float64 [K], share of each mode in the target, with half a sample more in each if ``invented`` is not 0."""


BALANCED_SHARE = 0.2


def mode_coverage(
    mode: npt.ArrayLike,
    *,
    modes: int,
    quality: npt.ArrayLike | None = None,
    target: npt.ArrayLike | None = None,
) -> ModeCoverageResult:
    """Return how a sampler covers ``modes`` known modes.

    Captured modes and high-quality share are defined as in VEEGAN (Srivastava et al. 2017, arXiv 1705.07761), the
    reverse KL sum_k q_k ln(q_k / p_k) as in PacGAN (Lin et al. 2017, arXiv 1712.04086). One lucky sample captures a
    mode, so ``balanced`` requires 20 % of the fair share. The KL of a perfect sampler is (K - 1) / 2N, not 0.

    If samples fall into a mode that the target lacks, the KL would be infinite: half a sample is then added to every
    mode of the target. Without any high-quality sample, ``kl`` and ``tv`` have their largest value (all mass on the
    rarest mode). The error of the share is binomial; ``captured_modes`` and ``histogram_divergences`` describe the
    others.

    ``mode`` int [N] in 0..modes-1; ``quality`` bool [N], by default all true; ``target`` the counts of the reference,
    float [modes], by default a known uniform target. Raises InputError if a shape, dtype or range is wrong.
    """
    # histograms of all samples and of those of high quality
    labels, good, weights = _checked_labels(mode, modes, quality, target)
    counts_all = np.bincount(labels, minlength=modes)
    counts = np.bincount(labels[good], minlength=modes)

    # modes that have samples although the target lacks them get half a sample in the target
    present = weights > 0
    invented = int((counts_all[~present] > 0).sum())

    # a uniform target is known exactly; only a counted one has a sampling error
    counted = weights
    size = np.inf if target is None else float(weights.sum())
    if invented:
        weights = weights + 0.5
    share = weights / weights.sum()
    known: Any = {"samples": len(labels), "target": None if target is None else counted, "present": present}
    return ModeCoverageResult(
        captured=captured_modes(0.0, counts, share, **known),
        balanced=captured_modes(BALANCED_SHARE, counts, share, **known),
        high_quality=_high_quality_share(good),
        kl=histogram_kl(counts, share, size),
        kl_all=histogram_kl(counts_all, share, size),
        tv=histogram_tv(counts, share, size),
        counts=counts,
        counts_all=counts_all,
        invented=invented,
        share=share,
    )


def _checked_labels(
    mode: npt.ArrayLike, modes: int, quality: npt.ArrayLike | None, target: npt.ArrayLike | None
) -> tuple[Int64, Bool, Float64]:
    # modes: integers [N] in 0..modes-1
    labels = np.asarray(mode)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise InputError(f"Modes must be integers [N], but the array is {labels.dtype} {list(labels.shape)}.")
    if labels.min() < 0 or labels.max() >= modes:
        raise InputError(f"Modes must lie in 0..{modes - 1}, but they lie in {labels.min()}..{labels.max()}.")

    # quality: bool [N], all true by default
    good = np.ones(len(labels), np.bool_) if quality is None else np.asarray(quality)
    if good.shape != labels.shape or good.dtype != np.bool_:
        raise InputError(f"Quality must be bool [{len(labels)}], but the array is {good.dtype} {list(good.shape)}.")

    # target: counts [modes], uniform by default
    weights = np.ones(modes) if target is None else np.asarray(target, np.float64)
    if weights.shape != (modes,) or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.sum() > 0:
        raise InputError(
            f"The target must be {modes} counts of 0 or more, one per mode and not all 0, but it is {weights.tolist()}."
        )
    return labels.astype(np.int64), good, weights


def _high_quality_share(good: Bool) -> FiniteSampleEstimate:
    value = float(good.mean())
    return FiniteSampleEstimate(value, binomial_error(value, len(good)), 1.0)


@dataclass(frozen=True)
class ModeCoverage:
    """Captured modes, share of high-quality samples, and distance of the histogram of modes to the reference's.

    The extractor's view ``quality`` says which samples are of high quality; without it, all are. See ``mode_coverage``
    for formulas and papers.
    """

    target: Literal["reference", "uniform"] = "reference"
    perfect: float | None = None
    """High-quality share of a perfect sampler, if it is known from theory; default: the share of the reference."""

    needs: ClassVar[tuple[str, ...]] = ("mode",)

    def __post_init__(self) -> None:
        if self.target not in ("reference", "uniform"):
            raise UsageError(f"The target of modes must be 'reference' or 'uniform', not {self.target!r}.")

    @property
    def reference(self) -> Literal["none", "rows"]:
        return "rows" if self.target == "reference" else "none"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return captured and balanced modes, the high-quality share, and the divergences of the histogram.

        Raises PlugError if the target is the reference and there are no reference samples, or if the number of modes
        is unknown or too small.
        """
        rows = reference if isinstance(reference, Features) and self.target == "reference" else None
        if rows is None and self.target == "reference":
            raise PlugError("Mode coverage needs reference samples; name some, or write modes,target=uniform.")

        # compare the histograms of both sides
        mode, modes, reference_mode = _modes_of_both(generated, rows)
        quality = generated["quality"].astype(np.bool_) if "quality" in generated.views else None
        target = None if reference_mode is None else np.bincount(reference_mode, minlength=modes)
        coverage = mode_coverage(mode, modes=modes, quality=quality, target=target)

        # by default, the reference's own share is what a perfect sampler would have
        perfect = self.perfect
        if perfect is None and rows is not None and "quality" in rows.views:
            perfect = float(rows["quality"].mean())
        influence = _influence_by_score(coverage, mode, quality, reference_mode)
        return [score._replace(influence=influence[score.name]) for score in _mode_scores(coverage, perfect)]


def _modes_of_both(generated: Features, reference: Features | None) -> tuple[Int64, int, Int64 | None]:
    """Return the modes of the generated samples [N], the number of modes, and the modes of the reference [M]."""
    mode = generated["mode"]
    modes = generated.modes or (reference.modes if reference is not None else None)
    if reference is None:
        if modes is None:
            raise PlugError(
                f"The extractor {generated.extractor!r} does not say how many modes there are, so no target can be "
                f"uniform over them; give it an attribute `modes`."
            )
        return mode, modes, None
    reference_mode = reference["mode"]
    # if the number of modes is unknown, the modes are those that occur on either side
    if modes is None:
        names, places = np.unique(np.concatenate([mode, reference_mode]), return_inverse=True)
        mode, reference_mode, modes = places[: len(mode)], places[len(mode) :], len(names)
    low, high = reference_mode.min(), reference_mode.max()
    if low < 0 or high >= modes:
        raise PlugError(f"The modes of {reference.name} must lie in 0..{modes - 1}, but they lie in {low}..{high}.")
    return mode, modes, reference_mode


def _influence_by_score(
    coverage: ModeCoverageResult, mode: Int64, quality: Bool | None, reference_mode: Int64 | None
) -> dict[str, Influence | None]:
    """Return the influence on each score; ``reference_mode`` is None if the target is uniform.

    The reference contributes nothing to the error of the high-quality share.
    """
    good = np.ones(len(mode), np.bool_) if quality is None else quality
    # the shares of the target that the values were computed with
    sides = mode, np.zeros(0, np.int64) if reference_mode is None else reference_mode, coverage.share
    return {
        "modes": _influence_on_captured(coverage.captured, coverage.counts, reference_mode),
        "modes_balanced": _influence_on_captured(coverage.balanced, coverage.counts, reference_mode),
        "high_quality": influence_of(good / len(mode), error=coverage.high_quality.error),
        "mode_kl": kl_influence(*sides, used=good, error=coverage.kl.error),
        "mode_kl_all": kl_influence(*sides, used=np.ones_like(good), error=coverage.kl_all.error),
        "mode_tv": tv_influence(*sides, used=good, error=coverage.tv.error),
    }


def _influence_on_captured(estimate: CapturedModes, counts: Int64, reference_mode: Int64 | None) -> Influence:
    """Return the influence of the reference on the number of captured modes; that of the samples is unknown."""
    if reference_mode is None or not estimate.reference_error:
        return INDEPENDENT
    # a reference sample counts if it is the only one of a mode that the samples hit
    own = np.bincount(reference_mode, minlength=len(counts))
    alone = (own[reference_mode] == 1) & (counts[reference_mode] > 0)
    return influence_of((), alone, error=estimate.reference_error) or INDEPENDENT


def _mode_scores(coverage: ModeCoverageResult, perfect: float | None) -> list[Score]:
    captured: dict[str, Any] = {
        "expected": coverage.captured.expected,
        "total": len(coverage.counts),
        "samples": int(coverage.counts_all.sum()),
        "high_quality_samples": int(coverage.counts.sum()),
    }
    if coverage.invented:
        captured["outside_reference"] = coverage.invented
    # keep the record short
    if len(coverage.counts) <= 1000:
        captured |= {"counts": coverage.counts.tolist(), "counts_all": coverage.counts_all.tolist()}
    warning = _coverage_warning(coverage)
    captured |= {"warning": warning} if warning else {}
    share = {} if perfect is None else {"expected": perfect}

    # divergences are better when lower, and have their errors from the delta method
    def score(name: str, key: str | None, estimate: FiniteSampleEstimate | CapturedModes, detail: Any = None) -> Score:
        divergence = name in ("mode_kl", "mode_kl_all", "mode_tv")
        detail = {"expected": estimate.expected} if detail is None else detail
        method = {"error_by": "delta method" if divergence else _ERROR_METHODS.get(name, "binomial")}
        interval = wilson_interval(estimate.value, int(coverage.counts_all.sum())) if name == "high_quality" else None
        better: Literal["lower", "higher"] = "lower" if divergence else "higher"
        return Score(name, estimate.value, estimate.error, better, detail | method, key, interval=interval)

    return [
        score("modes", "modes_captured", coverage.captured, captured),
        score("modes_balanced", None, coverage.balanced),
        score("high_quality", "high_quality_share", coverage.high_quality, share),
        score("mode_kl", "mode_kl_divergence", coverage.kl),
        score("mode_kl_all", "mode_kl_divergence_all", coverage.kl_all),
        score("mode_tv", "mode_total_variation", coverage.tv),
    ]


_ERROR_METHODS = {"modes": "smoothed Good-Toulmin series"}


def _coverage_warning(coverage: ModeCoverageResult) -> str | None:
    reasons = []
    good, samples, modes = int(coverage.counts.sum()), int(coverage.counts_all.sum()), len(coverage.counts)
    # fewer than 5 samples per mode miss modes by chance and bias the KL
    if samples < 5 * modes:
        few, expected = _few(samples, "samples", modes), coverage.captured.expected
        reasons.append(f"{few}: a perfect sampler too would capture only about {expected:.0f}")
    if not good:
        reasons.append("no sample is of high quality: mode_kl and mode_tv are set to their largest possible value")
    elif good < 5 * modes:
        few = _few(good, "high-quality samples", modes)
        reasons.append(f"{few}: mode_kl is biased upward by about {coverage.kl.expected:.2g}")
    # otherwise the KL would be infinite
    if coverage.invented:
        reasons.append(
            f"{number_of(coverage.invented, 'modes')} {'has' if coverage.invented == 1 else 'have'} samples but no "
            "reference: half a sample was added to each mode of the reference to keep the divergences finite"
        )
    return "; ".join(reasons) + "." if reasons else None


def _few(count: int, plural: str, modes: int) -> str:
    return f"{number_of(count, plural)} for {number_of(modes, 'modes')} {'is' if count == 1 else 'are'} few"
