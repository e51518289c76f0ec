"""``--metrics adm``: the five numbers of guided-diffusion's evaluator, each against an independent computation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import cholesky
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, logsumexp

import genbench
from genbench.array_types import Array, Float64
from genbench.comparison.comparability import differing_fields
from genbench.errors import UsageError
from genbench.extractors.inception import Inception, extractor
from genbench.extractors.weights import file_sha256
from genbench.results import Result
from genbench.scoring.watcher import Watcher
from tests.cli.commands import refused, run
from tests.helpers.random_weights import random_inception_weights, smooth_images

Views = Mapping[str, Float64]


# ADM's definitions in float64, by other operations than genbench's


def inception_score(logits: Float64, size: int) -> float:
    scores = []
    for start in range(0, len(logits), size):
        log_p = log_softmax(logits[start : start + size], axis=1)
        log_mean = logsumexp(log_p, axis=0) - np.log(len(log_p))
        scores.append(np.exp((np.exp(log_p) * (log_p - log_mean)).sum(axis=1).mean()))
    return float(np.mean(scores))


def frechet_distance(rows: Float64, mean: Float64, covariance: Float64) -> float:
    """Return the distance between the Gaussian of rows [N, D] and one with a covariance of full rank.

    Tr (C1 C2)^(1/2) is the sum of the singular values of Xc L / sqrt(N - 1), with C2 = L L'.
    """
    centred = rows - rows.mean(axis=0)
    difference = rows.mean(axis=0) - mean
    product = centred @ cholesky(covariance, lower=True) / np.sqrt(len(rows) - 1)
    traces = (centred**2).sum() / (len(rows) - 1) + np.trace(covariance)
    return float(difference @ difference + traces - 2 * np.linalg.svd(product, compute_uv=False).sum())


def share_in_balls(rows: Float64, centres: Float64) -> float:
    """Return the share of rows within the distance of a centre to its third neighbour; distances are squared."""
    radii = np.sort(cdist(centres, centres, "sqeuclidean"), axis=1)[:, 3]
    return float((cdist(rows, centres, "sqeuclidean") <= radii).any(axis=1).mean())


def expected_five(generated: Views, reference: Views, moments: Mapping[str, Array], size: int) -> dict[str, float]:
    return {
        "is": inception_score(generated["logits"], size),
        "fid": frechet_distance(generated["embedding"], moments["mu"], moments["sigma"]),
        "sfid": frechet_distance(generated["spatial"], moments["mu_s"], moments["sigma_s"]),
        "precision": share_in_balls(generated["embedding"], reference["embedding"]),
        "recall": share_in_balls(reference["embedding"], generated["embedding"]),
    }


def full_rank_moments(views: Views) -> dict[str, Array]:
    """Return moments under ADM's names that differ from those of the rows, as those of a larger set do."""
    moments: dict[str, Array] = {}
    for view, suffix in (("embedding", ""), ("spatial", "_s")):
        rows = views[view]
        ridge = 0.05 * rows.var() * np.eye(rows.shape[1])
        moments |= {f"mu{suffix}": rows.mean(axis=0) + 0.1, f"sigma{suffix}": np.cov(rows, rowvar=False) + ridge}
    return moments


# a small network with the views of Inception, so that most tests are fast


@dataclass(frozen=True)
class Network:
    """Random features of 8 x 8 images: embedding [N, 6], logits [N, 5], and spatial [N, 9] if it is asked for."""

    added_views: tuple[str, ...] = ()
    canonical = True
    name = "network"
    identity = "network@1"
    optional_views = ("spatial",)

    def with_views(self, views: Sequence[str]) -> Network:
        return replace(self, added_views=tuple(views))

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn((192, 20), generator=generator) / 8
        rows = (data.flatten(1).float() / 64) @ weights
        views = {"embedding": rows[:, :6].contiguous(), "logits": rows[:, 6:11].contiguous()}
        return {**views, **({"spatial": rows[:, 11:].abs()} if self.added_views else {})}


def noise(count: int, seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)


def views_of(network: Network | Inception, images: Array) -> Views:
    """Return all views of uint8 [N, H, W, 3] in float64."""
    data = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return {view: rows.double().numpy() for view, rows in network.with_views(["spatial"])(data).items()}


def virtual_file(path: Path, images: Array, moments: Mapping[str, Array]) -> Path:
    """Write a reference batch as ADM publishes it."""
    np.savez(path, images, **moments)  # type: ignore[arg-type]
    return path


def test_a_reference_batch_of_adm_gives_all_five(tmp_path: Path) -> None:
    generated, reference = noise(300, 0), noise(200, 1)
    views = views_of(Network(), reference)
    moments = full_rank_moments(views)
    file = virtual_file(tmp_path / "VIRTUAL.npz", reference, moments)
    result = genbench.score(generated, reference=file, features=Network(), metrics="adm")
    for name, value in expected_five(views_of(Network(), generated), views, moments, 5000).items():
        assert result[name].value == pytest.approx(value, rel=1e-9), name
    assert result.values["sfid"] == result["spatial_frechet_inception_distance"].value


def test_the_inception_score_has_splits_in_the_order_of_the_file(tmp_path: Path) -> None:
    images = noise(5400, 2)
    # in the order of the class, and with a rest of 400 samples in the last split
    logits = views_of(Network(), images)["logits"]
    order = logits.argmax(axis=1).argsort(kind="stable")
    result = genbench.score(images[order], features=Network(), metrics="is,split_size=5000,shuffle=false")
    assert result["is"].value == pytest.approx(inception_score(logits[order], 5000), rel=1e-9)
    assert abs(result["is"].value / inception_score(logits, 5000) - 1) > 0.01


def test_without_moments_in_the_file_its_images_give_them(tmp_path: Path) -> None:
    reference = noise(200, 1)
    views = views_of(Network(), reference)
    own = {"mu": views["embedding"].mean(axis=0), "sigma": np.cov(views["embedding"], rowvar=False)}
    own |= {"mu_s": views["spatial"].mean(axis=0), "sigma_s": np.cov(views["spatial"], rowvar=False)}
    file = virtual_file(tmp_path / "images.npz", reference, {})
    result = genbench.score(noise(300, 0), reference=file, features=Network(), metrics="adm")
    for name, value in expected_five(views_of(Network(), noise(300, 0)), views, own, 5000).items():
        assert result[name].value == pytest.approx(value, rel=1e-9), name


def test_moments_of_fid_alone_do_not_stand_for_those_of_sfid(tmp_path: Path) -> None:
    reference = noise(200, 1)
    moments = full_rank_moments(views_of(Network(), reference))
    del moments["mu_s"], moments["sigma_s"]
    np.savez(tmp_path / "fid.npz", **moments)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"'sfid' needs mean and covariance of 'spatial', which .*fid\.npz does not"):
        genbench.score(noise(300, 0), reference=tmp_path / "fid.npz", features=Network(), metrics="fid,sfid")
    # with images in the file, their features give the moments
    file = virtual_file(tmp_path / "both.npz", reference, moments)
    result = genbench.score(noise(300, 0), reference=file, features=Network(), metrics="fid,sfid")
    images = virtual_file(tmp_path / "images.npz", reference, {})
    alone = genbench.score(noise(300, 0), reference=images, features=Network(), metrics="fid,sfid")
    assert result["sfid"].value == alone["sfid"].value
    assert result["fid"].value != alone["fid"].value


def test_a_features_file_without_the_view_is_refused_before_the_long_work(tmp_path: Path) -> None:
    real = genbench.features_of(noise(200, 1), features=Network())
    real.save(tmp_path / "real.safetensors")
    with pytest.raises(UsageError, match=r"'sfid' reads 'spatial', but .*real\.safetensors contains only embedding, l"):
        genbench.score(noise(300, 0), reference=tmp_path / "real.safetensors", features=Network(), metrics="adm")
    # a file that was written for sFID gives all five
    genbench.features_of(noise(200, 1), features=Network(), metrics="adm").save(tmp_path / "real.safetensors")
    result = genbench.score(noise(300, 0), reference=tmp_path / "real.safetensors", features=Network(), metrics="adm")
    alone = genbench.score(noise(300, 0), reference=noise(200, 1), features=Network(), metrics="adm")
    assert result.values == alone.values


def test_fid_stays_the_same_score_and_comparable_whether_sfid_is_scored_or_not() -> None:
    scored: list[Result] = [
        genbench.score(noise(300, 0), reference=noise(200, 1), features=Network(), metrics=metrics)
        for metrics in ("fid", "sfid,fid", "fid")
    ]
    assert {result["fid"].value for result in scored} == {scored[0]["fid"].value}
    assert not differing_fields(scored)
    assert scored[0].extractors == scored[1].extractors


def test_the_scores_of_another_extractor_are_no_sfid() -> None:
    class Other(Network):
        canonical = False

    result = genbench.score(noise(300, 0), reference=noise(200, 1), features=Other(), metrics="sfid")
    assert [entry.name for entry in result.scores] == ["sfd@network", "sfd_debiased@network"]
    assert result.scores[0].key == "spatial_frechet_distance@network"


def test_an_extractor_without_the_view_is_named() -> None:
    with pytest.raises(UsageError, match="reads spatial, but the extractor 'pixels' gives embedding"):
        genbench.score(noise(30, 0), reference=noise(20, 1), features="pixels", metrics="sfid")


def test_a_watcher_builds_the_network_with_the_view_once() -> None:
    made: list[Sequence[str]] = []

    class Counted(Network):
        def with_views(self, views: Sequence[str]) -> Network:
            made.append(views)
            return super().with_views(views)

    watch = Watcher(noise(200, 1), every=1, features=Counted(), metrics="adm")
    results = [watch(step, noise(300, step)) for step in range(3)]
    assert made == [("spatial",)]
    alone = genbench.score(noise(300, 2), reference=noise(200, 1), features=Network(), metrics="adm")
    assert results[2] is not None
    assert results[2].values == alone.values


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception_weights(tmp_path_factory.mktemp("weights") / "random.pth", seed=5)


def test_the_command_line_gives_adms_five_with_inception(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the random weights count as the official ones, so that the scores have their published names
    monkeypatch.setattr(extractor, "INCEPTION", replace(extractor.INCEPTION, sha256=file_sha256(weights)))
    generated, reference = (smooth_images(8 - seed, size=40, seed=seed).transpose(0, 2, 3, 1) for seed in (0, 1))
    network = Inception(weights=weights)
    views = views_of(network, reference)
    moments = full_rank_moments(views)
    file = virtual_file(tmp_path / "VIRTUAL_imagenet256_labeled.npz", reference, moments)
    np.savez(tmp_path / "samples.npz", generated)
    outcome = run("score", "--samples", tmp_path / "samples.npz", "--reference", file, "--metrics", "adm", "--weights",
                  weights, "--json")  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    values = {entry["name"]: entry["value"] for entry in json.loads(outcome.stdout)["scores"]}
    # the stored features, because those of another batch differ by rounding
    np.savez(tmp_path / "reference.npz", reference)
    stored = [
        genbench.features_of(tmp_path / file, metrics="adm", weights=str(weights))
        for file in ("samples.npz", "reference.npz")
    ]
    rows = [{view: np.asarray(side[view], np.float64) for view in side.views} for side in stored]
    for name, value in expected_five(rows[0], rows[1], moments, 5000).items():
        assert values[name] == pytest.approx(value, rel=1e-9), name


def test_statistics_of_sfid_are_written_if_they_are_asked_for(weights: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", smooth_images(2, size=40, seed=3).transpose(0, 2, 3, 1))
    out = tmp_path / "statistics.npz"
    outcome = run("stats", tmp_path / "real.npz", "--weights", weights, "--spatial", "--out", out)
    assert outcome.exit_code == 0, outcome.output
    with np.load(out) as arrays:
        shapes = {name: arrays[name].shape for name in ("mu", "sigma", "mu_s", "sigma_s")}
    assert shapes == {"mu": (2048,), "sigma": (2048, 2048), "mu_s": (2023,), "sigma_s": (2023, 2023)}
    # the same samples, whose features are stored
    outcome = run("score", "--samples", tmp_path / "real.npz", "--reference", out, "--metrics", "sfid", "--weights",
                  weights, "--json")  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["scores"][0]["value"] == pytest.approx(0, abs=1e-4)


def test_statistics_of_sfid_need_inception(tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", noise(20, 0))
    said = refused("stats", tmp_path / "real.npz", "--features", "pixels", "--spatial", "--out", tmp_path / "s.npz",
                   code=2)  # fmt: skip
    assert "'pixels' has no view 'spatial'" in said
