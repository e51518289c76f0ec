"""The recipes: their splits never overlap, their names open, and anyone's folder is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genbench
from genbench.benchmarks import Benchmark, installed_benchmark
from genbench.errors import InputError, UsageError
from genbench.plugs import registry
from genbench.plugs.opening import open_source
from genbench.plugs.specs import parse_spec, parse_specs

OFFLINE = ["ring8", "grid25", "digits", "stacked-digits"]
ALL = [name for name in registry.installed("benchmarks") if name != "folder"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(60):
        folder = tmp_path / "own" / f"class{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "own"


def contents(spec: str) -> set[bytes]:
    return {row.tobytes() for batch in open_source(spec).batches(256) for row in batch.data}


@pytest.mark.parametrize("name", ALL)
def test_every_name_in_a_recipe_is_installed(name: str) -> None:
    recipe: Benchmark = registry.load("benchmarks", name)
    for spec in (recipe.reference, recipe.train, recipe.validation, recipe.real.format(seed=0)):
        assert parse_spec(spec).name in registry.installed("sources")
    assert parse_spec(recipe.features).name in registry.installed("extractors")
    for metrics in (recipe.metrics, recipe.watch):
        for metric in parse_specs(metrics):
            assert metric.name in registry.installed("metrics")
    for sampler in recipe.samplers:
        assert sampler == "real" or parse_spec(sampler).name in registry.installed("samplers")
    assert {"quick", "full"} <= set(recipe.steps)


@pytest.mark.parametrize("name", OFFLINE)
def test_what_is_trained_on_is_not_what_is_scored_against(name: str) -> None:
    recipe: Benchmark = registry.load("benchmarks", name)
    parts = {role: contents(getattr(recipe, role)) for role in ("train", "validation", "reference")}
    assert not parts["train"] & parts["validation"]
    assert not (parts["train"] | parts["validation"]) & parts["reference"]


@pytest.mark.parametrize("split", ["t10k-fit", "t10k-validation", "t10k-test"])
def test_the_parts_of_mnists_test_file_do_not_overlap(split: str, shared_data: Path) -> None:
    others = {"t10k-fit", "t10k-validation", "t10k-test"} - {split}
    mine = contents(f"mnist,split={split},root={shared_data}")
    for other in others:
        assert not mine & contents(f"mnist,split={other},root={shared_data}")


def test_a_recipe_of_a_folder_cuts_it_into_parts_that_do_not_overlap(images: Path) -> None:
    recipe: Benchmark = registry.load("benchmarks", f"folder,path={images},features=pixels")
    parts = [contents(spec) for spec in (recipe.train, recipe.validation, recipe.reference)]
    assert [len(part) for part in parts] == [24, 6, 30]
    assert len(set.union(*parts)) == 60
    assert contents(recipe.real) == parts[0] | parts[1]


def test_a_folder_with_an_odd_number_of_images_has_halves_of_equal_size(images: Path) -> None:
    next(images.rglob("*.png")).unlink()
    halves = [len(open_source(f"part,path={images},split={split}")) for split in ("train", "test")]
    assert halves[0] == halves[1] == (len(list(images.rglob("*.png"))) // 2)


def test_a_part_keeps_the_classes_of_its_folder(images: Path) -> None:
    part = open_source(f"part,path={images},split=test")
    batch = next(iter(part.batches(100)))
    assert (batch.label == part.labels).all()  # type: ignore[attr-defined,union-attr]
    assert set(part.labels) == {0, 1, 2}  # type: ignore[attr-defined]


def test_a_folder_is_run_as_any_other_recipe(images: Path, tmp_path: Path) -> None:
    spec = f"folder,path={images},features=pixels,quick=4"
    found = genbench.run(spec, ["real", "vae"], budget="quick", repeats=1, out=tmp_path / "runs", progress=False)
    assert [result.benchmark for result in found] == [f"folder,path={images},features=pixels@1"] * 2
    assert [result.generated.count for result in found] == [30, 30]
    (results,) = (tmp_path / "runs").glob("folder,path=*_own,features=pixels-*.jsonl")
    assert (results.with_suffix("") / "vae" / "seed-0" / "samples.png").exists()
    assert installed_benchmark(found[0].benchmark) == registry.load(
        "benchmarks", f"folder,path={images},features=pixels"
    )


def test_parts_that_cannot_be_are_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'train'"):
        open_source(f"part,path={images},split=trian")
    with pytest.raises(InputError, match="no such file or folder"):
        open_source(f"part,path={tmp_path / 'nowhere'}")
    few = tmp_path / "few"
    few.mkdir()
    for number in range(3):
        Image.new("RGB", (4, 4)).save(few / f"{number}.png")
    with pytest.raises(InputError, match="too few to split"):
        open_source(f"part,path={few},split=validation")


def test_a_recipe_of_another_version_is_not_the_one_that_was_followed() -> None:
    assert installed_benchmark("digits@1") == registry.load("benchmarks", "digits")
    assert installed_benchmark("digits@999") is None
    assert installed_benchmark("nobody@1") is None
    assert installed_benchmark(None) is None
