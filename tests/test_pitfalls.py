"""Demonstrate mistakes of published code with these metrics, and test that genbench does not make them.

If only documentation can prevent a mistake, the documentation is tested. Pitfalls 17 and 18 (authenticity and copying
scores of fresh samples, and the sign of the latter) are A17 and A18 in the tests of those metrics; those from 20 on
concern training and likelihoods.
"""

from __future__ import annotations

import io
import math
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.linalg import sqrtm
from sklearn.datasets import load_sample_images

import genbench
from genbench.array_types import Int64
from genbench.features.features import Features
from genbench.metrics.bins import DifferentBins
from genbench.metrics.frechet.metric import FrechetDistance, frechet_distance, frechet_distance_of_rows
from genbench.metrics.inception_score import inception_score
from genbench.metrics.modes import mode_coverage
from genbench.metrics.precision_recall import density_coverage, expected_coverage, precision_recall
from genbench.results import Result
from genbench.sources.digits import digits
from genbench.tables.result_table import result_text
from genbench.theory.mixtures import GRID, RING, Mixture

UInt8 = npt.NDArray[np.uint8]

CLEAN = 1 - math.exp(-4.5)
"""The share of a Gaussian in 2 dimensions that lies within 3 standard deviations."""


@cache
def metrics_page() -> str:
    page = Path(__file__).parents[1] / "docs" / "metrics.md"
    return " ".join(page.read_text(encoding="utf-8").split())


@cache
def real_digits(split: str) -> tuple[UInt8, Int64]:
    source = digits(split)
    images = next(iter(source.batches(len(source)))).data
    assert not isinstance(images, list)
    assert source.labels is not None
    return images[:, 0], source.labels


def score(generated: object, reference: object, metrics: str, features: str = "digits") -> Result:
    return genbench.score(generated, reference=reference, features=features, metrics=metrics, cache=False)


def value(result: Result, name: str) -> float:
    """Return the value of a score, given by its name without the extractor."""
    return next(entry.value for entry in result.scores if entry.name.partition("@")[0] == name)


def test_pitfall_01_a_ring_whose_end_point_repeats_the_first_has_seven_modes_and_scores_badly() -> None:
    angles = np.linspace(0, 2 * np.pi, 8)  # with the end point, as in published code
    closed = Mixture("closed", tuple((float(np.cos(a)), float(np.sin(a))) for a in angles), RING.std)
    assert [len(np.unique(ring.means.round(9), axis=0)) for ring in (closed, RING)] == [7, 8]
    closed_result = genbench.score(closed.sample(2500, seed=0).astype(np.float32), "ring8", cache=False)
    assert value(closed_result, "modes") == 1  # only the mode at angle 0 is in its place
    assert value(genbench.score("ring,count=2500,seed=1", "ring8", cache=False), "modes") == 8


@pytest.mark.parametrize("mixture", [RING, GRID])
def test_pitfall_02_not_all_samples_of_a_perfect_sampler_have_high_quality(mixture: Mixture) -> None:
    _, distance = mixture.nearest(mixture.sample(200_000, seed=0))
    assert (distance <= 3).mean() == pytest.approx(CLEAN, abs=1e-3)
    assert "98.889 % high-quality samples, never 100 %" in metrics_page()


@pytest.mark.parametrize(("count", "floor"), [(26_000, 0.01921), (25_600, 0.01951)])
def test_pitfall_03_the_divergence_of_a_perfect_sampler_is_not_zero_and_depends_on_the_count(
    count: int, floor: float
) -> None:
    kl = mode_coverage(np.random.default_rng(count).integers(1000, size=count), modes=1000).kl
    assert kl.expected == pytest.approx(floor, abs=1e-5)
    assert kl.value == pytest.approx(kl.expected, abs=0.003)


def test_pitfall_03_errors_of_the_classifier_add_captured_modes_but_no_balanced_ones() -> None:
    rng = np.random.default_rng(0)
    digit = np.stack([np.zeros(26_000, int), rng.integers(10, size=26_000), rng.integers(10, size=26_000)])
    wrong = rng.random(digit.shape) < 0.0075  # the accuracy of PacGAN's classifier of digits is 99.25 %
    predicted = np.where(wrong, (digit + rng.integers(1, 10, size=digit.shape)) % 10, digit)
    coverage = mode_coverage(predicted[0] * 100 + predicted[1] * 10 + predicted[2], modes=1000)
    assert coverage.captured.value > 200
    assert coverage.balanced.value == 100


def test_pitfall_03_an_imbalanced_data_set_is_compared_with_its_own_histogram() -> None:
    rng = np.random.default_rng(0)
    # GDPP's "stacked" training set: 30 % even, the rest around mode 700
    real, generated = (
        np.where(rng.random(26_000) < 0.3, rng.integers(1000, size=26_000), rng.normal(700, 200, 26_000) % 1000)
        for _ in range(2)
    )
    reference = np.bincount(real.astype(int), minlength=1000)
    fair = mode_coverage(generated.astype(int), modes=1000, target=reference).kl
    assert fair.value == pytest.approx(fair.expected, abs=0.006)
    assert mode_coverage(generated.astype(int), modes=1000).kl.value > 2.5 * fair.value


@pytest.mark.parametrize("batch_size", [1, 32, 64, 1000])
def test_pitfall_04_the_last_and_smaller_batch_is_not_dropped(batch_size: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (67, 8, 8), dtype=np.uint8)
    extracted = genbench.features_of(images, features="pixels,size=8", batch_size=batch_size, cache=False)
    assert len(extracted) == 67
    assert np.array_equal(extracted["embedding"][:, :64], (images.reshape(67, 64) / 255).astype(np.float32))


def test_pitfall_05_precision_is_of_the_generated_samples_and_recall_of_the_reference() -> None:
    images = real_digits("test")[0]
    collapsed = np.repeat(real_digits("train")[0][:3], 300, axis=0)
    narrow, wide = score(collapsed, images, "pr"), score(images, collapsed, "pr")
    assert value(narrow, "precision") > 0.6
    assert value(narrow, "recall") < 0.05
    assert value(wide, "precision") == value(narrow, "recall")
    assert value(wide, "recall") == value(narrow, "precision")


def test_pitfall_06_repeated_reference_rows_are_never_covered_under_the_strict_rule() -> None:
    rows = np.repeat(np.random.default_rng(0).standard_normal((60, 4)), 6, axis=0)
    strict = density_coverage(rows, rows)
    assert (strict.density, strict.coverage, strict.precision, strict.recall) == (0, 0, 0, 0)
    assert precision_recall(rows, rows).f_score == 1
    assert "the balls of k + 1 equal reference rows hold nothing" in " ".join(str(density_coverage.__doc__).split())


def test_pitfall_07_equal_distributions_have_precision_far_below_one_in_many_dimensions() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((1000, 64)), rng.standard_normal((1000, 64))
    scores, covered = precision_recall(x, y), density_coverage(x, y)
    assert max(scores.precision, scores.recall) < 0.75
    assert covered.coverage == pytest.approx(expected_coverage(1000, 1000, 5), abs=0.02)
    assert "Identical distributions do **not** get precision 1" in metrics_page()


def test_pitfall_08_samples_sorted_by_class_keep_their_inception_score() -> None:
    images, label = real_digits("train")
    in_order = np.argsort(label, kind="stable")
    shuffled = images[np.random.default_rng(0).permutation(len(images))]
    scores = [score(subject, None, "is").scores[0] for subject in (images[in_order], shuffled)]
    assert scores[0].value == pytest.approx(scores[1].value, abs=0.3)
    logits = genbench.features_of(images[in_order], features="digits", cache=False)["logits"]
    assert inception_score(logits, shuffle=False).mean < 2 < 9 < scores[0].value


@pytest.mark.parametrize(
    ("metric", "name"),
    [("is", "is"), ("kid,subset_size=200", "kd_subsets")],
    ids=["09", "10"],
)
def test_pitfalls_09_and_10_a_spread_over_splits_or_subsets_is_not_the_error(metric: str, name: str) -> None:
    result = score("digits,split=train", "digits,split=test", metric)
    spread, error = result.values[f"{name}_std@digits"], result.values[f"{name}_error@digits"]
    assert error == result[f"{name}@digits"].error
    assert spread != pytest.approx(error, rel=0.2)
    row = next(line for line in result_text(result).splitlines() if line.startswith(f"{name}@digits"))
    assert float(row.split("±")[1].split()[0]) == pytest.approx(error, rel=0.05)
    assert "The spread over IS splits and over KID subsets is not a standard error" in metrics_page()


def test_pitfall_11_a_bootstrap_doubles_the_bias_of_the_frechet_distance() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((400, 12)), rng.standard_normal((400, 12))
    resampled = [frechet_distance_of_rows(*(rows[rng.integers(400, size=400)] for rows in (x, y))) for _ in range(40)]
    fid, debiased = FrechetDistance()(Features.of(embedding=x), Features.of(embedding=y), seed=0)
    assert np.mean(resampled) > 1.5 * fid.value
    assert abs(debiased.value) < fid.value / 3
    assert fid.detail["error_by"].startswith("influence function")
    assert "debiased value beside it" in metrics_page()


def test_pitfall_12_a_frechet_distance_of_too_few_samples_has_a_warning() -> None:
    images = real_digits("train")[0]
    few, many = (score(images[:count], "digits,split=test", "fd") for count in (60, 800))
    assert any(warning.startswith("60 generated samples are too few for 64 dimensions") for warning in few.warnings)
    assert few["fd@digits"].value > 2 * many["fd@digits"].value
    assert many.warnings == ()
    assert "below d samples its covariance is singular" in metrics_page()


def test_pitfall_13_a_singular_covariance_gives_no_imaginary_part_and_needs_no_jitter() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 64))
    wider, covariance = 1.5 * rows, np.cov(rows, rowvar=False)
    moments = rows.mean(axis=0), covariance, wider.mean(axis=0), 2.25 * covariance
    mean_term = float((rows.mean(axis=0) ** 2).sum()) / 4
    truth = mean_term + float(np.trace(covariance)) / 4
    jitter = 1e-6 * np.eye(64)
    product = (covariance + jitter) @ (2.25 * covariance + jitter)
    jittered = mean_term + np.trace(3.25 * covariance) - 2 * np.trace(sqrtm(product)).real
    assert abs(jittered - truth) > 1e-5
    for distance in (frechet_distance_of_rows(rows, wider), frechet_distance(*moments)):
        assert type(distance) is float
        assert distance == pytest.approx(truth, rel=1e-10)


@cache
def crops() -> UInt8:
    """Return crops of scikit-learn's two photographs, uint8 [300, 32, 32, 3]."""
    rng = np.random.default_rng(0)
    cut = []
    for photo in load_sample_images().images:
        corners = rng.integers(np.array(photo.shape[:2]) - 32, size=(150, 2))
        cut += [photo[top : top + 32, left : left + 32] for top, left in corners]
    return np.stack(cut)


def as_jpeg(image: UInt8, quality: int) -> UInt8:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def from_crops(images: UInt8) -> float:
    rows = [genbench.features_of(each, features="pixels", cache=False)["embedding"] for each in (images, crops())]
    return frechet_distance_of_rows(*rows)


def test_pitfall_14_compression_alone_changes_the_frechet_distance() -> None:
    distances = [
        from_crops(np.stack([as_jpeg(image, quality) for image in crops()])) for quality in (95, 75, 50, 25, 10)
    ]
    assert distances == sorted(distances)
    assert 0 < 10 * distances[0] < distances[-1]
    assert "JPEG compression and resizing change FID by several units" in metrics_page()


def test_pitfall_14_the_method_of_resizing_alone_changes_the_frechet_distance_and_is_recorded() -> None:
    def resized(method: Image.Resampling) -> UInt8:
        return np.stack([np.asarray(Image.fromarray(image).resize((16, 16), method)) for image in crops()])

    smooth, rough = (from_crops(resized(method)) for method in (Image.Resampling.BILINEAR, Image.Resampling.NEAREST))
    assert smooth < 0.01
    assert rough > 1
    images = real_digits("train")[0][:100]
    record = score(images, "digits", "fd", "pixels,size=4").extractors
    assert "resize=antialiased-triangle" in record["pixels,size=4"]


def test_pitfall_15_the_jensen_shannon_divergence_is_in_nats_and_without_a_square_root() -> None:
    reference = np.concatenate([np.zeros((999, 2)), np.full((1, 2), 100.0)])
    generated = np.full((1000, 2), 100.0)
    scores = DifferentBins(bins=2)(Features.of(embedding=generated), Features.of(embedding=reference), seed=0)
    divergence = next(score.value for score in scores if score.name == "ndb_js")
    assert 0.98 * math.log(2) < divergence <= math.log(2)  # the square root would be .83, and in bits it would be 1


def test_pitfall_16_one_lucky_sample_captures_a_mode_but_does_not_balance_it() -> None:
    points = np.concatenate([np.repeat(GRID.means[:20], 124, axis=0), np.repeat(GRID.means[20:], 4, axis=0)])
    result = genbench.score(points.astype(np.float32), "grid25", cache=False)
    assert value(result, "modes") == 25
    assert value(result, "modes_balanced") == 20
    assert value(result, "mode_kl") > 10 * result["mode_kl@points,toy=grid"].detail["expected"]


def test_pitfall_19_precision_and_density_rise_when_a_model_collapses() -> None:
    images, label = real_digits("train")
    collapsed = np.tile(images[label == 3][:10], (90, 1, 1))
    good, bad = (score(each, "digits,split=test", "is,pr,prdc,modes") for each in (images, collapsed))
    for name in ("precision", "density"):
        assert value(bad, name) > value(good, name)
    assert value(bad, "precision") == value(bad, "high_quality") == 1
    assert value(bad, "recall") < 0.01
    assert value(bad, "coverage") < 0.06
    assert value(bad, "modes") == 1
    assert value(bad, "is") == pytest.approx(1, abs=0.02)
    assert "Precision rises when a model collapses" in metrics_page()
