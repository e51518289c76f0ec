"""The pages of docs/: their examples run as they are written, and they explain what is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from genbench import score
from tests.docs.pages import page, run_examples, section

TRAINING = "## Train the baselines"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README", "docs/tutorial", "docs/leaderboards_and_ci", "docs/metrics", "docs/install",
                                  "docs/scale", "docs/faq", "docs/papers"])  # fmt: skip
def test_every_command_of_a_page_runs_in_an_empty_folder_after_those_before_it(empty_folder: Path, name: str) -> None:
    run_examples(page(f"{name}.md"))


def test_the_tutorial_runs(empty_folder: Path) -> None:
    run_examples(page("docs/tutorial.md").split(f"\n{TRAINING}\n")[0])


def test_the_example_of_data_runs(empty_folder: Path) -> None:
    run_examples(page("docs/data.md"))


@pytest.mark.parametrize(
    "heading", ["## Samplers", "## Sources", "## Extractors", "## Metrics", "## Trackers", "## Benchmarks"]
)
def test_the_examples_of_plugs_run(empty_folder: Path, heading: str) -> None:
    plugs = page("docs/plugs.md")
    if heading == "## Trackers":  # its command uses the sampler of another section
        run_examples(section(plugs, "## Samplers"), skip=("genbench",))
    run_examples(section(plugs, heading), skip=("genbench run",))


@pytest.mark.slow
def test_a_benchmark_in_a_module_is_run(empty_folder: Path) -> None:
    run_examples(section(page("docs/plugs.md"), "## Benchmarks"))


@pytest.mark.parametrize("heading", ["### Texts", "### Sounds"])
def test_the_examples_of_embeddings_run_and_show_what_the_page_says(empty_folder: Path, heading: str) -> None:
    kind, worse = ("texts", "narrow") if heading == "### Texts" else ("sounds", "high")
    if kind == "texts":
        pytest.importorskip("wordllama", reason="the example needs wordllama")
    example = section(page("docs/modalities.md"), heading)
    run_examples(example)
    # the page says that lost diversity shows in the recall and not in the precision
    options: Any = {"reference": f"{kind}_real.npy", "metrics": "fd,pr"}
    good, lost = (score(f"{kind}_{name}.npy", **options) for name in ("good", worse))
    assert lost["fd@points"].value > 10 * good["fd@points"].value
    assert good["recall@points"].value > 0.9
    assert lost["recall@points"].value < 0.8
    assert lost["precision@points"].value > 0.9
    if kind == "sounds":
        assert score("sounds_noisy.npy", **options)["precision@points"].value < 0.01


def test_the_example_of_volumes_runs(empty_folder: Path) -> None:
    run_examples(section(page("docs/modalities.md"), "## Volumes"))


def test_the_python_example_of_leaderboards_runs(empty_folder: Path) -> None:
    run_examples(section(page("docs/leaderboards_and_ci.md"), "## Tables"), skip=("genbench",))


def test_the_python_example_of_the_audit_runs(empty_folder: Path) -> None:
    run_examples(section(page("docs/metrics.md"), "## What each metric is blind to"), skip=("genbench",))


def test_every_metric_is_explained() -> None:
    from genbench.plugs.registry import installed

    table = section(page("docs/metrics.md"), "## The table")
    for name in installed("metrics"):
        assert f"`{name}" in table, f"{name} is not in the table of metrics"


def test_the_formats_of_images_are_named() -> None:
    from genbench.sources.image_formats import EXTENSIONS

    names = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WebP"}
    reading = section(page("docs/metrics.md"), "## How images are read")
    assert all(names.get(extension, extension[1:].upper()) in reading for extension in EXTENSIONS)
