"""Test ``genbench score``: its output, its options, and samplers that fail."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from genbench.results import read_results
from tests.cli.commands import refused, run, score_pixels, sentences
from tests.helpers.random_weights import random_inception_weights, smooth_images


def test_the_table_goes_to_stdout(images: Path) -> None:
    outcome = run(*score_pixels(images))
    assert outcome.exit_code == 0, outcome.output
    assert "swd@pixels" in outcome.stdout


def test_json_is_one_object_with_every_field(images: Path) -> None:
    from genbench.results import Result as Record

    data = json.loads(run(*score_pixels(images, "--json")).stdout)
    assert set(Record.__dataclass_fields__) <= set(data)
    assert data["values"]["swd@pixels,size=8"] > 0


def test_results_are_appended_to_a_file(images: Path, tmp_path: Path) -> None:
    from genbench.results import read_results

    for name in ("a", "b"):
        assert run(*score_pixels(images, "--to", tmp_path / "r.jsonl", "--name", name)).exit_code == 0
    assert [result.name for result in read_results(tmp_path / "r.jsonl")] == ["a", "b"]


def test_no_cache_writes_nothing(images: Path) -> None:
    assert run(*score_pixels(images, "--no-cache")).exit_code == 0
    assert not list(Path(os.environ["GENBENCH_CACHE"]).rglob("*.safetensors"))


def test_the_nearest_metric_is_suggested_for_a_mistyped_one(images: Path) -> None:
    assert "did you mean 'kid'?" in refused("score", "--samples", images, "--metrics", "kidd", code=2)


def test_samples_and_sampler_exclude_each_other() -> None:
    assert "genbench score OUT REAL" in refused("score", code=2)


GUEST = """
import numpy as np
def raising(count, seed):
    raise RuntimeError("no such checkpoint")
def short(count, seed):
    return np.zeros((count - 1, 8, 8, 3), np.uint8)
def floats(count, seed):
    return np.zeros((count, 8, 8, 3))
def words(count, seed):
    return "samples"
"""


@pytest.mark.parametrize(
    ("attribute", "complaint"),
    [
        ("raising", "raised RuntimeError: no such checkpoint"),
        ("short", "when asked for 256 samples"),
        ("floats", "range"),
        ("words", "gave"),
    ],
)
def test_a_sampler_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attribute: str, complaint: str
) -> None:
    (tmp_path / "cli_guest.py").write_text(GUEST)
    monkeypatch.chdir(tmp_path)
    message = refused("score", "--sampler", f"cli_guest:{attribute}", "--benchmark", "digits")
    assert "cli_guest" in message
    assert complaint in message


def test_a_mistyped_attribute_or_module_of_a_guest_is_a_mistyped_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cli_guest.py").write_text(GUEST)
    monkeypatch.chdir(tmp_path)
    for name, complaint in (("cli_guest:rasing", "did you mean 'raising'?"), ("cli_gest:short", "There is no module")):
        message = refused("score", "--sampler", name, "--benchmark", "digits", code=2)
        assert name.partition(":")[0] in message
        assert complaint in message


def test_the_form_of_a_sampler_is_explained_if_the_attribute_is_missing() -> None:
    assert "written module:attribute" in refused("score", "--sampler", "my_models", "--benchmark", "digits")


def test_a_results_file_that_cannot_be_written_is_refused_before_the_work(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(*score_pixels(images, "--to", tmp_path / "file" / "r.jsonl"))
    assert not list(Path(os.environ["GENBENCH_CACHE"]).rglob("*.safetensors"))


def test_one_pass_gives_fid_under_every_resize(tmp_path: Path) -> None:
    weights = random_inception_weights(tmp_path / "weights.pth")
    for name, seed in (("a", 1), ("b", 2)):
        np.savez(tmp_path / f"{name}.npz", arr_0=smooth_images(4, seed=seed).transpose(0, 2, 3, 1))
    words = ["score", "--samples", tmp_path / "a.npz", "--reference", tmp_path / "b.npz"]
    words += ["--weights", weights, "--quiet"]
    outcome = run(*words, "--resizes", "tf,clean", "--to", tmp_path / "all.jsonl")
    assert outcome.exit_code == 0, outcome.output
    alone = run(*words, "--features", "inception,resize=clean", "--metrics", "fd", "--to", tmp_path / "clean.jsonl")
    assert alone.exit_code == 0, alone.output
    (all_resizes,), (clean,) = read_results(tmp_path / "all.jsonl"), read_results(tmp_path / "clean.jsonl")
    assert list(all_resizes.extractors) == ["inception", "inception,resize=clean"]
    assert all_resizes["fd@inception,resize=clean"].value == pytest.approx(clean["fd@inception,resize=clean"].value)
    assert all_resizes["fd@inception"].value != pytest.approx(clean["fd@inception,resize=clean"].value)


@pytest.mark.parametrize("option", ["--resizes", "--protocols"])
def test_resizes_and_a_benchmark_contradict_each_other(option: str) -> None:
    message = refused("score", "--samples", "digits", "--benchmark", "digits", option, "tf", code=2)
    assert "leave out --benchmark" in message
    assert ("--protocols is now called --resizes" in message) == (option == "--protocols")


@pytest.mark.parametrize("count", [(), ("--count", 18)])
def test_score_warns_of_a_dataset_json_that_lacks_labels(images: Path, count: tuple[object, ...]) -> None:
    (images / "dataset.json").write_text(json.dumps({"labels": [["0.png", 1], ["1.png", 0]]}))
    outcome = run(*score_pixels(images, *count))
    assert "dataset.json has no label for 18 of 20 images, so there are no classes." in " ".join(
        sentences(outcome.stderr)
    )
    assert "other file" not in outcome.output
