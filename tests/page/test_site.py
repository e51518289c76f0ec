"""The report of a folder: one page, and a Markdown file for each benchmark; nothing is loaded from elsewhere."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from genbench.cli import main
from genbench.errors import InputError
from genbench.page.embedded_images import embedded
from genbench.page.provenance import command
from genbench.page.published import published_numbers
from genbench.page.section import Section
from genbench.page.site import differing, write
from genbench.plugs.contracts import WITH_TRAIN, Score
from genbench.results import Result, SampleSet
from genbench.runs.folder import RunFolder
from genbench.runs.gallery_record import CountedDistance, DistanceByCount, Gallery, SampleGroup
from genbench.runs.history import History, WatchedStep
from genbench.runs.pictures import write_sheet
from tests.helpers.made_results import board, made, with_panel
from tests.tables.test_leaderboard_formats import HOSTILE, Tags

EXTRA = (Score("precision", 0.8, 0.01, "higher"), Score("recall", 0.4, 0.01, "higher"))


def filled(folder: Path, results: list[Result], *, name: str = "digits") -> Path:
    for result in results:
        result.append(folder / f"{name}.jsonl")
    return folder


def with_gallery(folder: Path, result: Result, **changes: Any) -> None:
    """Write the files of a run for a result."""
    run = RunFolder(folder, "digits", result.name, result.seed)
    run.write_result(result)
    run.write_history(History(tuple(WatchedStep(step, {"loss": 1 / step}, 9 / step, True) for step in (1, 2, 3))))
    noise = np.random.default_rng(0).integers(0, 256, (18, 4, 4, 3), dtype=np.uint8)
    lines = ["sample", "nearest reference", "nearest training image"]
    picture = write_sheet(noise, run.sheet, lines=lines, columns=2)
    shutil.copy(run.sheet, run.samples)
    distances = [CountedDistance(224, 7.0, 0.2), CountedDistance(449, 6.0, 0.2), CountedDistance(898, 5.0, 0.1)]
    gallery = Gallery(
        groups=dict.fromkeys(("random", "typical", "odd"), SampleGroup([0, 1], [0, 1], [1.0, 2.0])),
        median_distance=1.5,
        reference_median_distance=1.4,
        picture=picture,
        modes=[3, 1],
        reference_modes=[2, 2],
        marginal=[0.6, 0.4],
        reference_marginal=[0.5, 0.5],
        conditionals=[[0.9, 0.1], [0.2, 0.8]],
        by_count=DistanceByCount("fd@digits", distances),
    )
    run.write_gallery(replace(gallery, **changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the results of three samplers; two of them have a run folder."""
    results = [made("gan", 5.0, extra=EXTRA, chosen_step=2, steps=3, chosen_by="fd"), *board()[2:]]
    with_gallery(tmp_path, results[0])
    points = {"picture": None, "points": [[0.0, 1.0], [9.0, 9.0]], "reference_points": [[0.0, 1.0], [1.0, 0.0]]}
    with_gallery(tmp_path, results[1], **points)
    return filled(tmp_path, results)


def page(folder: Path) -> str:
    write(folder)
    return (folder / "index.html").read_text()


def test_the_report_is_a_page_and_a_markdown_file_for_each_benchmark(folder: Path) -> None:
    assert [path.name for path in write(folder)] == ["digits.md", "index.html"]
    assert "| 1" in (folder / "digits.md").read_text()


def test_writing_again_changes_nothing_and_the_check_agrees(folder: Path) -> None:
    first = page(folder)
    assert differing(folder) == []
    assert page(folder) == first


def test_the_check_names_the_differing_files_and_writes_nothing(folder: Path) -> None:
    write(folder)
    made("late", 7.0, extra=EXTRA).append(folder / "digits.jsonl")
    before = (folder / "index.html").read_bytes()
    ran = CliRunner().invoke(main, ["report", str(folder), "--check"])
    assert ran.exit_code == 1
    assert "digits.md" in ran.stderr
    assert "index.html" in ran.stderr
    assert (folder / "index.html").read_bytes() == before


def test_the_check_passes_after_report(folder: Path) -> None:
    assert CliRunner().invoke(main, ["report", str(folder)]).exit_code == 0
    assert CliRunner().invoke(main, ["report", str(folder), "--check"]).exit_code == 0


def test_the_page_loads_nothing_from_elsewhere(folder: Path) -> None:
    tags = Tags(page(folder))
    loads = [
        attributes.get(name)
        for tag, attributes in tags.elements
        for name in ("src", "href", "srcset", "action", "data")
        if tag != "a" and attributes.get(name)
    ]
    assert loads
    assert [load for load in loads if not str(load).startswith(("data:", "#"))] == []
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", page(folder))


def test_every_link_within_the_page_has_a_target(folder: Path) -> None:
    tags = Tags(page(folder))
    ids = [attributes["id"] for _, attributes in tags.elements if "id" in attributes]
    ends = {
        str(attributes["href"])[1:] for _, attributes in tags.elements if str(attributes.get("href")).startswith("#")
    }
    assert len(ids) == len(set(ids))
    assert ends <= set(ids)


def test_images_and_charts_have_descriptions(folder: Path) -> None:
    tags = Tags(page(folder))
    assert all(attributes.get("alt") for tag, attributes in tags.elements if tag == "img")
    charts = [
        attributes for tag, attributes in tags.elements if tag == "svg" and attributes.get("aria-hidden") != "true"
    ]
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)


def test_the_page_shows_every_part(folder: Path) -> None:
    words = " ".join(Tags(page(folder)).words)
    for title in ("Every metric", "Precision against recall", "Points over the density", "Nearest neighbours", "Modes",
                  "Predictions behind", "Fréchet distance against 1/N", "Training", "How to make"):  # fmt: skip
        assert title in words, title


def test_results_without_galleries_make_a_page_without_pictures(tmp_path: Path) -> None:
    words = " ".join(Tags(page(filled(tmp_path, board()))).words)
    assert "Every metric" in words
    for title in ("Samples", "Nearest neighbours", "Training"):
        assert title not in words


def test_results_without_training_or_recipe_make_a_page(tmp_path: Path) -> None:
    results = [replace(one, training=None, benchmark=None, reference=None, spec=one.name) for one in board()[2:]]
    filled(tmp_path, results, name="mine")
    write(tmp_path)
    assert "genbench score --samples vae --features digits" in (tmp_path / "mine.md").read_text()


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    results = [made(HOSTILE, 1.0), made("b", 2.0)]
    tags = Tags(page(filled(tmp_path, results, name="a b<i>\"'")))
    assert [tag for tag, _ in tags.elements].count("script") == 1
    assert any(HOSTILE in words for words in tags.words)


def test_the_gallery_of_a_later_run_is_not_shown_for_an_earlier_result(folder: Path) -> None:
    place = folder / "digits" / "gan" / "seed-0"
    other = made("gan", 5.0, budget="quick", created="2026-03-01T00:00:00+00:00")
    (place / "result.jsonl").write_text(other.to_json() + "\n")
    results = [made("gan", 5.0, extra=EXTRA)]
    (gan,) = Section("digits", tuple(results), folder).runs
    assert gan.gallery == Gallery()
    assert gan.histories == {}


def test_images_beyond_the_limit_are_linked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import genbench.page.site as site

    monkeypatch.setattr(site, "embedded", lambda paths: embedded(paths, limit=10))
    text = page(folder)
    assert "data:image/png" not in text
    assert 'href="digits/gan/seed-0/gallery.png"' in text


def test_a_damaged_gallery_is_named(folder: Path) -> None:
    (folder / "digits" / "gan" / "seed-0" / "gallery.json").write_text("{")
    with pytest.raises(InputError, match=r"gallery.json is damaged"):
        write(folder)


def test_hand_written_files_are_linked_and_not_changed(folder: Path) -> None:
    (folder / "speed.md").write_text("# How fast it is\n")
    assert '<a href="speed.md">How fast it is</a>' in page(folder)
    assert (folder / "speed.md").read_text() == "# How fast it is\n"


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no results; make some with `genbench run digits --out"):
        write(tmp_path)


def test_results_of_another_protocol_are_shown_in_gray(tmp_path: Path) -> None:
    tags = Tags(page(filled(tmp_path, [*board(), made("short", 1.0, count=9)])))
    assert [attributes.get("class") for tag, attributes in tags.elements if tag == "tr"].count("unranked") == 1


def test_the_commands_name_every_sampler_seed_and_budget(tmp_path: Path) -> None:
    results = [made("gan", 1.0, seed=1), made("gan", 2.0, seed=2), made("a b", 3.0, seed=1, budget="quick")]
    assert Section("digits", tuple(results), tmp_path / "reports").commands == [
        "genbench run digits --samplers gan --repeats 2 --seed 1 --out reports",
        "genbench run digits --samplers 'a b' --repeats 1 --seed 1 --budget quick --out reports",
    ]


def test_the_command_of_a_score_has_what_the_user_typed(tmp_path: Path) -> None:
    typed = replace(made("blobs", 1.0), training=None, spec="my_models:Blobs,size=8")
    folder = replace(made("out/", 1.0), training=None, spec="out/")
    whole = "genbench score --sampler my_models:Blobs --name b --benchmark digits --device cpu"
    recorded = replace(made("b", 1.0), training=None, spec="my_models:Blobs", command=whole)
    assert Section("digits", (typed, folder, recorded), tmp_path).commands == [
        "genbench score --samples my_models:Blobs,size=8 --name blobs --benchmark digits",
        "genbench score --samples out/ --benchmark digits",
        whole,
    ]


def test_a_result_of_a_python_object_has_no_command(tmp_path: Path) -> None:
    made_in_python = replace(made("blobs", 1.0), training=None)
    assert Section("digits", (made_in_python,), tmp_path).commands == []
    filled(tmp_path, [made_in_python])
    write(tmp_path)
    for name in ("digits.md", "index.html"):
        text = (tmp_path / name).read_text()
        assert "made in Python" in text
        assert "genbench score" not in text
    assert "no command is known" in text


def test_the_commit_of_a_result_is_shown(tmp_path: Path) -> None:
    filled(tmp_path, [replace(made("gan", 1.0), commit="0123456789ab-dirty")])
    write(tmp_path)
    assert "0123456789ab-dirty" in (tmp_path / "digits.md").read_text()
    assert "0123456789ab-dirty" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(("labels", "is_named"), [("random", True), ("equal", False), (None, False), ("", False)])
def test_the_command_of_a_score_has_the_rule_of_its_classes(labels: str | None, is_named: bool) -> None:
    scored = replace(made("blobs", 1.0), training=None, benchmark=None, spec="blobs", labels=labels)
    assert command(scored, "reports").endswith(" --labels random") is is_named


def test_the_command_of_a_score_has_its_training_samples_and_its_panel() -> None:
    # training samples, then a panel alone, and a list of extractors beside a metric
    plain = replace(made("b", 1.0), training=None, benchmark=None, spec="b", extractors={"points": "points()"})
    train = SampleSet("train/", 9, "abc")
    assert "--train train/ --features points --metrics mifid --count" in command(
        replace(plain, train=train, metrics=(f"MemorisationInformedDistance(){WITH_TRAIN}",)), "reports"
    )
    panel = "PanelScore(panel={!r}, extractors=('pixels', 'spectrum'), metric={!r}, floor_from={!r}, rows=9)"
    alone = replace(plain, metrics=(panel.format("offline", "fd", "held-out samples"),), floor=SampleSet("f/", 9, "a"))
    assert command(alone, "reports").endswith(" --panel offline --floor f/")
    assert "--features" not in command(alone, "reports")
    beside = ("FrechetDistance(view='embedding')", panel.format("pixels+spectrum", "kid", "half of the reference"))
    words = command(replace(plain, metrics=beside), "reports")
    assert "--metrics fd" in words
    assert words.endswith(" --panel pixels,spectrum --panel-metric kid")


def test_the_command_of_a_score_has_the_extractor_of_each_metric() -> None:
    metrics = ("KernelDistance(degree=2)", "KernelDistance(degree=3)", "FrechetDistance(view='768')")
    several = replace(
        made("blobs", 1.0), training=None, benchmark=None, spec="blobs", metrics=metrics,
        extractors={"spectrum": "spectrum()", "inception,resize=clean": "Inception()"},
        metric_extractors=("spectrum", "inception,resize=clean", "inception,resize=clean"),
    )  # fmt: skip
    words = command(several, "reports")
    assert "--features inception,resize=clean --metrics kid@spectrum,degree=2,kid,degree=3,fd,view=768 --count" in words


def test_published_rows_name_their_source_and_only_known_columns() -> None:
    for benchmark in ("ring8", "grid25", "stacked-mnist"):
        published = published_numbers(benchmark)
        assert published is not None
        for row in published.rows:
            assert {"model", "source", "arxiv", "setup"} <= set(row)
            assert set(row) - {"model", "source", "arxiv", "setup"} <= set(published.columns)
    assert published_numbers("digits") is None


def test_published_rows_are_shown_below_the_table(tmp_path: Path) -> None:
    filled(tmp_path, [replace(result, benchmark="ring8@1") for result in board()], name="ring8")
    write(tmp_path)
    text = (tmp_path / "ring8.md").read_text()
    assert "| PacGAN2 | 7.9 ± .1 | .956 ± .020 | .07 ± .03 |" in text
    assert "1712.04086" in (tmp_path / "index.html").read_text()


def test_the_committed_reports_match_the_committed_results() -> None:
    folder = Path(__file__).parents[2] / "reports"
    assert differing(folder) == []
    assert (folder / "index.html").stat().st_size < 3_000_000


def test_copies_of_training_samples_are_on_the_page_and_in_the_markdown(folder: Path) -> None:
    scored = made("gan", 5.0, extra=(*EXTRA, Score("memorised", 0.1, 0.01, "lower")), seed=1)
    pair = {"generated": 3, "train": 5, "distance": 0.0, "ratio": 0.0, "chance": 0.001, "train_file": HOSTILE}
    detail = {"pairs": [pair], "found": 1}
    scores = [replace(e, detail=detail) if "memorised" in e.name else e for e in scored.scores]
    replace(made("copier", 5.0, extra=EXTRA), scores=tuple(scores)).append(folder / "digits.jsonl")
    text = page(folder)
    assert "<h3>Copies of training samples</h3>" in text
    assert HOSTILE not in text
    assert "## Copies of training samples" in (folder / "digits.md").read_text()


def test_the_worst_classes_are_on_the_page_and_in_the_markdown(folder: Path) -> None:
    scored = made("gan", 5.0, extra=(*EXTRA, Score("fid_per_class", 7.0, 0.1, "lower")), seed=1)
    classes = [{"name": HOSTILE, "value": 9.0, "error": 0.5, "generated": 90}]
    scores = [replace(e, detail={"classes": classes}) if "per_class" in e.name else e for e in scored.scores]
    replace(made("cgan", 5.0, extra=EXTRA), scores=tuple(scores)).append(folder / "digits.jsonl")
    text = page(folder)
    assert "<h3>Classes</h3>" in text
    assert HOSTILE not in text
    markdown = (folder / "digits.md").read_text()
    assert "## Classes" in markdown
    assert "| 9.00 ± 0.50 | 90 |" in markdown


def test_the_page_shows_the_ratios_of_a_panel_by_encoder_and_marks_a_suspect(tmp_path: Path) -> None:
    for result in (
        with_panel(made("honest", 5.0, benchmark=None), [3.0, 3.5, 4.0]),
        with_panel(made("tuned", 5.0, benchmark=None), [0.5, 3.5, 4.0]),
    ):
        result.append(tmp_path / "photos.jsonl")
    write(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "Ratios by encoder: fdr@made" in page
    # each encoder of each subject, in words too
    charts = re.findall(r'<svg class="chart [^>]*aria-label="fdr@made of (\w+): ([^"]*)"', page)
    assert [name for name, _ in charts] == ["tuned", "honest"]
    for _, words in charts:
        assert [part.partition(":")[0] for part in words.split("; ")] == ["first", "second", "third"]
    assert ["suspiciously low" in words for _, words in charts] == [True, False]
    # the note of the table, on the page and in Markdown
    note = "† tuned: optimised for first? its fdr there, 0.5, is below the 1 of real samples and far below the others"
    assert note in page
    assert note in (tmp_path / "photos.md").read_text()


def test_results_without_a_panel_have_no_chart_of_ratios(tmp_path: Path) -> None:
    made("gan", 5.0).append(tmp_path / "digits.jsonl")
    write(tmp_path)
    assert "Ratios by encoder" not in (tmp_path / "index.html").read_text()
