"""The report of a folder: one page and a Markdown file each, the same every time, and nothing loaded from elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from genbench.cli import main
from genbench.errors import InputError
from genbench.page.embedded_images import embedded
from genbench.page.published import published
from genbench.page.section import Section
from genbench.page.site import differing, write
from genbench.plugs.contracts import Score
from genbench.results import Result
from genbench.runs.pictures import sheet
from tests.helpers.made_results import board, made
from tests.tables.test_formats import HOSTILE, Tags

EXTRA = (Score("precision", 0.8, 0.01, "higher"), Score("recall", 0.4, 0.01, "higher"))


def filled(folder: Path, results: list[Result], *, name: str = "digits") -> Path:
    for result in results:
        result.append(folder / f"{name}.jsonl")
    return folder


def with_figures(folder: Path, result: Result, **more: Any) -> None:
    """Leave beside a result what a run leaves."""
    import numpy as np

    place = folder / "digits" / result.name / f"seed-{result.seed}"
    place.mkdir(parents=True)
    (place / "result.jsonl").write_text(result.to_json() + "\n")
    history = [{"step": step, "loss": 1 / step, "validation": 9 / step, "kept": 1.0} for step in (1, 2, 3)]
    (place / "history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in history))
    noise = np.random.default_rng(0).integers(0, 256, (18, 4, 4, 3), dtype=np.uint8)
    about = sheet(noise, 2, place / "gallery.png")
    shutil.copy(place / "gallery.png", place / "samples.png")
    group = {"rows": [0, 1], "nearest": [0, 1], "distance": [1.0, 2.0]}
    gallery = {
        "groups": dict.fromkeys(("random", "typical", "odd"), group),
        "distance": 1.5,
        "reference_distance": 1.4,
        "picture": {"lines": ["sample", "nearest reference", "nearest training image"], "columns": 2, **about},
        "modes": [3, 1],
        "reference_modes": [2, 2],
        "marginal": [0.6, 0.4],
        "reference_marginal": [0.5, 0.5],
        "conditionals": [[0.9, 0.1], [0.2, 0.8]],
        "by_count": {"name": "fd@digits", "rows": [[224, 7.0, 0.2], [449, 6.0, 0.2], [898, 5.0, 0.1]]},
        **more,
    }
    (place / "gallery.json").write_text(json.dumps(gallery))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of four samplers, two of them with what a run leaves beside them."""
    results = [made("gan", 5.0, extra=EXTRA, chosen_step=2, steps=3, chosen_by="fd"), *board()[2:]]
    with_figures(tmp_path, results[0])
    points = {"picture": None, "points": [[0.0, 1.0], [9.0, 9.0]], "reference_points": [[0.0, 1.0], [1.0, 0.0]]}
    with_figures(tmp_path, results[1], **points)
    return filled(tmp_path, results)


def page(folder: Path) -> str:
    write(folder)
    return (folder / "index.html").read_text()


def test_the_report_is_a_page_and_a_markdown_file_each(folder: Path) -> None:
    assert [path.name for path in write(folder)] == ["digits.md", "index.html"]
    assert "| 1" in (folder / "digits.md").read_text()


def test_writing_again_changes_nothing_and_the_check_agrees(folder: Path) -> None:
    first = page(folder)
    assert differing(folder) == []
    assert page(folder) == first


def test_the_check_names_what_differs_and_writes_nothing(folder: Path) -> None:
    write(folder)
    made("late", 7.0, extra=EXTRA).append(folder / "digits.jsonl")
    before = (folder / "index.html").read_bytes()
    ran = CliRunner().invoke(main, ["report", str(folder), "--check"])
    assert ran.exit_code == 1
    assert "digits.md" in ran.stderr
    assert "index.html" in ran.stderr
    assert (folder / "index.html").read_bytes() == before


def test_the_check_passes_what_report_wrote(folder: Path) -> None:
    assert CliRunner().invoke(main, ["report", str(folder)]).exit_code == 0
    assert CliRunner().invoke(main, ["report", str(folder), "--check"]).exit_code == 0


def test_the_page_loads_nothing(folder: Path) -> None:
    found = Tags(page(folder))
    loads = [
        attributes.get(name)
        for tag, attributes in found.seen
        for name in ("src", "href", "srcset", "action", "data")
        if tag != "a" and attributes.get(name)
    ]
    assert loads
    assert [load for load in loads if not str(load).startswith(("data:", "#"))] == []
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", page(folder))


def test_every_link_within_the_page_has_its_end(folder: Path) -> None:
    found = Tags(page(folder))
    ids = [attributes["id"] for _, attributes in found.seen if "id" in attributes]
    ends = {str(attributes["href"])[1:] for _, attributes in found.seen if str(attributes.get("href")).startswith("#")}
    assert len(ids) == len(set(ids))
    assert ends <= set(ids)


def test_pictures_and_charts_say_in_words_what_they_show(folder: Path) -> None:
    found = Tags(page(folder))
    assert all(attributes.get("alt") for tag, attributes in found.seen if tag == "img")
    charts = [attributes for tag, attributes in found.seen if tag == "svg" and attributes.get("aria-hidden") != "true"]
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)


def test_the_page_shows_every_part(folder: Path) -> None:
    words = " ".join(Tags(page(folder)).words)
    for title in ("Every metric", "Precision against recall", "Points over the density", "Nearest neighbours", "Modes",
                  "Predictions behind", "Fréchet distance against 1/N", "Training", "Provenance"):  # fmt: skip
        assert title in words, title


def test_results_without_figures_make_a_page_without_them(tmp_path: Path) -> None:
    words = " ".join(Tags(page(filled(tmp_path, board()))).words)
    assert "Every metric" in words
    for title in ("Samples", "Nearest neighbours", "Training"):
        assert title not in words


def test_results_without_training_or_recipe_make_a_page(tmp_path: Path) -> None:
    results = [replace(one, training=None, benchmark=None, reference=None) for one in board()[2:]]
    filled(tmp_path, results, name="mine")
    write(tmp_path)
    assert "genbench score --samples vae --features digits" in (tmp_path / "mine.md").read_text()


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    results = [made(HOSTILE, 1.0), made("b", 2.0)]
    found = Tags(page(filled(tmp_path, results, name="a b<i>\"'")))
    assert [tag for tag, _ in found.seen].count("script") == 1
    assert any(HOSTILE in words for words in found.words)


def test_figures_of_a_later_run_are_not_shown_for_an_earlier_result(folder: Path) -> None:
    place = folder / "digits" / "gan" / "seed-0"
    other = made("gan", 5.0, budget="quick", created="2026-03-01T00:00:00+00:00")
    (place / "result.jsonl").write_text(other.to_json() + "\n")
    results = [made("gan", 5.0, extra=EXTRA)]
    (gan,) = Section("digits", tuple(results), folder).exhibits
    assert gan.gallery == {}
    assert gan.histories == {}


def test_pictures_that_do_not_fit_are_linked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import genbench.page.site as site

    monkeypatch.setattr(site, "embedded", lambda paths: embedded(paths, limit=10))
    text = page(folder)
    assert "data:image/png" not in text
    assert 'href="digits/gan/seed-0/gallery.png"' in text


def test_damaged_figures_are_named(folder: Path) -> None:
    (folder / "digits" / "gan" / "seed-0" / "gallery.json").write_text("{")
    with pytest.raises(InputError, match=r"gallery.json is damaged"):
        write(folder)


def test_files_of_others_are_left_alone_and_linked(folder: Path) -> None:
    (folder / "speed.md").write_text("# How fast it is\n")
    assert '<a href="speed.md">How fast it is</a>' in page(folder)
    assert (folder / "speed.md").read_text() == "# How fast it is\n"


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no results; make some with `genbench run digits --out"):
        write(tmp_path)


def test_results_of_another_protocol_are_shown_in_gray(tmp_path: Path) -> None:
    found = Tags(page(filled(tmp_path, [*board(), made("short", 1.0, count=9)])))
    assert [attributes.get("class") for tag, attributes in found.seen if tag == "tr"].count("unranked") == 1


def test_the_commands_make_the_results_again(tmp_path: Path) -> None:
    results = [made("gan", 1.0, seed=1), made("gan", 2.0, seed=2), made("a b", 3.0, seed=1, budget="quick")]
    assert Section("digits", tuple(results), tmp_path / "reports").commands == [
        "genbench run digits --samplers gan --repeats 2 --seed 1 --out reports",
        "genbench run digits --samplers 'a b' --repeats 1 --seed 1 --budget quick --out reports",
    ]


def test_published_rows_name_their_source_and_only_known_columns() -> None:
    for benchmark in ("ring8", "grid25", "stacked-mnist"):
        found = published(benchmark)
        assert found is not None
        for row in found.rows:
            assert {"model", "source", "arxiv", "setup"} <= set(row)
            assert set(row) - {"model", "source", "arxiv", "setup"} <= set(found.columns)
    assert published("digits") is None


def test_published_rows_stand_below_the_table(tmp_path: Path) -> None:
    filled(tmp_path, [replace(one, benchmark="ring8@1") for one in board()], name="ring8")
    write(tmp_path)
    text = (tmp_path / "ring8.md").read_text()
    assert "| PacGAN2 | 7.9 ± .1 | .956 ± .020 | .07 ± .03 |" in text
    assert "1712.04086" in (tmp_path / "index.html").read_text()


def test_the_reports_of_this_repository_are_what_its_results_say() -> None:
    folder = Path(__file__).parents[2] / "reports"
    assert differing(folder) == []
    assert (folder / "index.html").stat().st_size < 3_000_000
