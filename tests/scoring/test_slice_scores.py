"""Scores of slices of volumes: their errors count volumes, and planes are averaged."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from genbench import score
from genbench.cli import main
from genbench.comparison.chosen_scores import one_of_each_family
from genbench.comparison.group_by_subject import metric_name
from genbench.errors import UsageError
from genbench.features.features import Features, read_features
from genbench.plugs.contracts import InfluenceOfRows, Score
from genbench.plugs.registry import load
from genbench.scoring.evaluate_metrics import entry
from genbench.scoring.options import Options
from genbench.scoring.pairing import is_paired
from genbench.scoring.plan import Plan
from genbench.scoring.real_halves import _chosen_sides, real_against_real
from genbench.scoring.slice_scores import BY_BOUND, score_of_volumes, with_average
from genbench.sources.memory import ArraySource

VOLUMES, DEPTH = 40, 12


def slices_of(values: Any, depth: int) -> Features:
    rows = np.asarray(values, np.float32)
    features = Features.of(embedding=rows.reshape(len(rows), -1))
    volume = np.repeat(np.arange(len(rows) // depth), depth)
    return replace(features, volume=volume, plane=np.zeros(len(rows), np.int64), fingerprint="")


def correlated(seed: list[int], shift: float = 0.0) -> Features:
    """Return slices in 4 dimensions, half of whose variance is common to all slices of a volume."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=(VOLUMES, 1, 4)), rng.normal(size=(VOLUMES, DEPTH, 4))
    return slices_of(((common + own) / math.sqrt(2) + shift).reshape(-1, 4), DEPTH)


def mean_score(x: Any) -> Score:
    """Return the mean of rows with the error of independent rows."""
    error = float(np.std(x, ddof=1) / math.sqrt(len(x)))
    influence = InfluenceOfRows((0.0,) * 32, (), rows=((x - x.mean()) / len(x), np.zeros(0)))
    return Score("mean", float(x.mean()), error, "lower", {}, None, influence)


def scans(seed: int, count: int = 8, sizes: tuple[int, ...] = (5, 6, 7)) -> ArraySource:
    array = np.random.default_rng(seed).integers(0, 256, (count, *sizes)).astype(np.uint8)
    return ArraySource(array, slices="three", name=f"scans {seed}")


def test_the_error_of_a_mean_is_that_of_the_means_of_volumes() -> None:
    x = np.random.default_rng(0).normal(size=(10, 1)) + np.random.default_rng(1).normal(size=(10, 6))
    found = score_of_volumes(mean_score(x.ravel()), slices_of(x.ravel(), 6), None)
    assert found.error == pytest.approx(x.mean(axis=1).std(ddof=1) / math.sqrt(10))


def test_volumes_of_one_slice_change_no_error() -> None:
    x = np.random.default_rng(0).normal(size=50)
    before = mean_score(x)
    assert score_of_volumes(before, slices_of(x, 1), None).error == pytest.approx(before.error)


def test_copies_of_a_slice_add_nothing() -> None:
    x = np.random.default_rng(0).normal(size=20)
    once, often = (score_of_volumes(mean_score(np.repeat(x, k)), slices_of(np.repeat(x, k), k), None) for k in (1, 30))
    assert often.error == pytest.approx(once.error)


def test_an_unknown_influence_gives_the_error_of_equal_slices() -> None:
    found = score_of_volumes(Score("guest", 1.0, 0.1), slices_of(np.arange(36.0), 9), None)
    assert found.error == pytest.approx(0.1 * 3)
    assert found.detail["error_by_volume"] == BY_BOUND


def test_one_volume_has_no_error() -> None:
    found = score_of_volumes(mean_score(np.arange(9.0)), slices_of(np.arange(9.0), 9), None)
    assert found.error is None
    assert "2 volumes" in found.detail["no_error"]


def test_the_interval_of_a_share_stays_between_0_and_1() -> None:
    guest = Score("share", 0.9, 0.04, "higher", {}, None, None, (0.8, 0.95))
    low, high = score_of_volumes(guest, slices_of(np.arange(40.0), 16), None).interval or (0, 0)
    assert (low, high) == pytest.approx((0.5, 1.0))


def test_the_average_of_equal_planes_has_their_error_and_of_independent_ones_a_smaller_one() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 4000))
    features = slices_of(x, 2)
    one, other = (score_of_volumes(mean_score(values), features, None) for values in (x, y))
    same, different = (with_average({"axial": [one], "coronal": [second]}) for second in (one, other))
    assert one.error is not None
    assert same[""][0].error == pytest.approx(one.error)
    assert different[""][0].error == pytest.approx(one.error / math.sqrt(2), rel=0.06)
    assert different[""][0].value == pytest.approx((x.mean() + y.mean()) / 2)
    assert [(plane, each.name) for plane, scores in different.items() for each in scores] == [
        ("", "mean"),
        ("axial", "mean"),
        ("coronal", "mean"),
    ]


def test_each_plane_has_the_score_of_its_images_alone() -> None:
    found = score(scans(1), reference=scans(2), features="pixels,size=4", metrics="fid,kid", cache=False)
    arrays = [np.random.default_rng(seed).integers(0, 256, (8, 5, 6, 7)).astype(np.uint8) for seed in (1, 2)]
    values = []
    for axis, plane in enumerate(("axial", "coronal", "sagittal"), start=1):
        images = [np.moveaxis(array, axis, 1).reshape(-1, *np.delete(array.shape[1:], axis - 1)) for array in arrays]
        alone = score(images[0], reference=images[1], features="pixels,size=4", metrics="fid,kid", cache=False)
        values.append(alone["fd@pixels,size=4"].value)
        assert found[f"fd@pixels,size=4,plane={plane}"].value == values[-1]
    assert found["fd@pixels,size=4"].value == pytest.approx(np.mean(values))
    assert found.generated.slices == "axial, coronal, sagittal of 8 volumes"
    assert found.protocol["slices"] == found.generated.slices
    # the average stands for the planes where one score is chosen
    assert metric_name([found], "fd") == "fd@pixels,size=4"
    names = [entry.name for entry in found.scores]
    assert not [name for name in one_of_each_family(names) if "plane=" in name]


def test_a_plane_in_the_features_of_fid_names_the_extractor() -> None:
    named = entry(Score("fid", 1.0, key="frechet_inception_distance"), "inception", canonical=True, plane="axial")
    assert (named.name, named.key) == ("fid@inception,plane=axial", "frechet_inception_distance@inception,plane=axial")


def test_cached_features_give_the_same_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path))
    options: dict[str, Any] = {"reference": scans(2, 30), "features": "pixels,size=4", "metrics": "fid"}
    first, second = (score(scans(1, 30), **options) for _ in range(2))
    assert [entry.error for entry in first.scores] == [entry.error for entry in second.scores]
    assert "influences" in first.scores[0].detail["error_by_volume"]


def test_slices_at_equal_depth_are_no_pairs() -> None:
    # depth decides nearly everything, and no shift of up to 60 rows keeps it
    sides = []
    for seed in (1, 2):
        noise = np.random.default_rng(seed).normal(size=(30, 90, 3)) * 0.01
        sides.append(slices_of((np.linspace(0, 9, 90)[:, None] + noise).reshape(-1, 3), 90))
    assert not is_paired(*sides)
    assert is_paired(*(replace(side, volume=None) for side in sides))


def test_sides_with_other_planes_are_refused() -> None:
    flat = ArraySource(np.zeros((9, 8, 8), np.uint8))
    for reference in (flat, ArraySource(np.zeros((9, 8, 8, 8), np.uint8), slices="axial")):
        with pytest.raises(UsageError, match="give both slices=three"):
            score(scans(1), reference=reference, features="pixels,size=4")


def test_a_panel_and_a_sequential_decision_take_no_slices() -> None:
    with pytest.raises(UsageError, match="A panel takes no slices"):
        score(scans(1), reference=scans(2), panel="pixels,spectrum")


def test_statistics_of_several_planes_are_refused_and_their_features_keep_the_planes(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).integers(0, 256, (4, 5, 6, 7)).astype(np.uint8))
    made = ["stats", f"{tmp_path}/v.npy,slices=three", "--features", "pixels,size=4", "--no-cache", "--out"]
    refused = CliRunner().invoke(main, [*made, f"{tmp_path}/v.npz"])
    assert refused.exit_code == 2
    assert "no common mean" in refused.output
    assert CliRunner().invoke(main, [*made, f"{tmp_path}/v.safetensors"]).exit_code == 0
    features = read_features(tmp_path / "v.safetensors")
    assert features.plane is not None
    assert np.bincount(features.plane).tolist() == [20, 24, 28]


def test_the_command_line_records_slices_and_prints_them(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).random((4, 5, 6, 7)).astype(np.float16))
    spec = f"{tmp_path}/v.npy,slices=axial,range=0..1"
    options = ["score", "--samples", spec, "--reference", spec, "--features", "pixels,size=4", "--metrics", "fid"]
    result = CliRunner().invoke(main, [*options, "--no-cache", "--json"])
    record = json.loads(result.stdout)
    assert record["generated"]["slices"] == "axial of 4 volumes"
    assert record["reference"]["name"] == spec
    assert "slices: axial of 4 volumes" in CliRunner().invoke(main, [*options, "--no-cache"]).output


def test_real_volumes_are_halved_as_wholes_and_compared_plane_by_plane() -> None:
    plan = Plan.make(scans(1, 12), None, Options(reference=scans(2, 20), features="pixels,size=4", cache=False))
    plan.score()
    found = real_against_real(plan)
    assert found is not None
    # ten volumes of 5 + 6 + 7 slices
    assert found.rows == 10 * 18
    assert set(found.real.detail["planes"]) == {"axial", "coronal", "sagittal"}
    generated, reference = (plan.sides.features(side, "pixels,size=4") for side in ("generated", "reference"))
    parts = _chosen_sides(generated, reference)
    volumes = [set(part.volume.tolist()) for part in parts if part.volume is not None]
    assert [len(some) for some in volumes] == [10, 10, 10]
    assert not volumes[1] & volumes[2]
    assert [len(part) for part in parts] == [180, 180, 180]


def test_slices_that_are_more_alike_than_chance_are_no_sign_of_dependent_sides() -> None:
    # each volume has the same depths, so unbiased estimates for independent rows lie below 0
    depths = np.repeat(np.arange(8.0), 4)
    sides = []
    for seed in (1, 2):
        noise = 1e-3 * np.random.default_rng(seed).normal(size=(20, 32))
        sides.append(slices_of((depths + noise).reshape(-1, 1), 32))
    kid = load("metrics", "kid")(*sides, seed=0)[0]
    counted = score_of_volumes(kid, *sides)
    assert kid.detail["least"] == 0.0
    assert kid.value < 0
    assert "least" not in counted.detail


def test_the_error_of_a_distance_of_few_rows_comes_from_blocks_of_whole_volumes() -> None:
    # the slices of a volume are nearly equal, so that 9 of 10 rows say nothing new
    sides = []
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(24, 1, 300)) + 0.01 * rng.normal(size=(24, 10, 300))
        sides.append(slices_of(rows.reshape(-1, 300), 10))
    alone = [slices_of(side["embedding"][::10], 1) for side in sides]
    together, single = (score_of_volumes(load("metrics", "fd")(*pair, seed=0)[0], *pair) for pair in (sides, alone))
    assert together.detail["error_by_volume"] == "blocks of whole volumes"
    assert together.error == pytest.approx(single.error, rel=0.3)


def test_the_debiased_distance_of_equal_distributions_of_volumes_is_0() -> None:
    # the mean of 40 repetitions; blocks of slices would leave 0.14
    fd = load("metrics", "fd")
    values = [fd(correlated([k, 1]), correlated([k, 2]), seed=0)[1].value for k in range(40)]
    assert abs(np.mean(values)) < 3 * np.std(values, ddof=1) / math.sqrt(40)
    assert np.std(values, ddof=1) / math.sqrt(40) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_errors_that_count_volumes_are_the_spread_of_repeated_scores(shift: float) -> None:
    # 100 repetitions: the standard error of a spread is 1 / sqrt(2 * 99) = 7 % of it
    metrics = [load("metrics", name) for name in ("fd", "kid", "mmd", "pr", "prdc")]
    values: dict[str, list[tuple[float, float, float]]] = {}
    for repetition in range(100):
        sides = correlated([repetition, 1], shift), correlated([repetition, 2])
        for metric in metrics:
            for one in metric(*sides, seed=0):
                counted = score_of_volumes(one, *sides)
                values.setdefault(one.name, []).append((one.value, one.error, counted.error or math.nan))
    for name, found in values.items():
        array = np.array(found)
        spread = array[:, 0].std(ddof=1)
        of_slices, of_volumes = np.sqrt((array[:, 1:] ** 2).mean(axis=0)) / spread
        # the second order near 0 makes distances at the null cautious; coverage is the least accurate
        assert 0.7 < of_volumes < 1.45, f"{name}: {of_volumes:.2f}"
        if name in ("fid", "kid", "mmd"):
            assert of_slices < 0.65, f"{name}: {of_slices:.2f}"
