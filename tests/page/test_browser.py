"""The page in a browser, at three widths and in both colour schemes. Needs Chromium; the last test needs axe-core, too.

``AXE_CORE`` names the file ``axe.min.js`` of the npm package axe-core, which checks accessibility.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from genbench.page.site import write
from genbench.plugs.contracts import Score
from tests.helpers.made_results import board, made, with_panel
from tests.page.test_site import with_gallery

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
AXE = Path(os.environ.get("AXE_CORE", "axe.min.js"))

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run", "--allow-file-access-from-files")  # fmt: skip
WIDTHS = (390, 800, 1400)
REPORTS = Path(__file__).parents[2] / "reports"

PROBE = """<!doctype html><meta name="color-scheme" content="light dark">
<iframe id="frame" style="width:{width}px;height:{height}px;border:0" src="{source}"></iframe>
<script>
const frame = document.getElementById("frame");
frame.addEventListener("load", async () => {{
  const script = new frame.contentWindow.Function("return (async () => {{" + {script} + "}})()");
  const answer = await script().catch(error => "failed: " + error.stack);
  const pre = document.createElement("pre");
  pre.id = "answer";
  pre.textContent = JSON.stringify(answer);
  document.body.append(pre);
}});
</script>"""

WATCH = """<script>
window.errors = [];
addEventListener("error", event => window.errors.push(event.message));
console.error = console.warn = (...words) => window.errors.push(words.join(" "));
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page with every kind of chart, and with models that is and fd rank differently."""
    folder = tmp_path_factory.mktemp("reports")
    extra = (Score("precision", 0.8, 0.01, "higher"), Score("recall", 0.4, 0.01, "higher"))
    gan = with_panel(made("gan", 5.0, extra=extra, chosen_step=2, steps=3, chosen_by="fd"), [0.5, 3.5, 4.0])
    with_gallery(folder, gan)
    long = [made(f"a-model-with-a-long-name-{index}", 30.0 + index, extra=extra) for index in range(9)]
    other = made("other-protocol", 1.0, count=9)
    for result in (gan, *board()[2:], *long, other):
        result.append(folder / "digits.jsonl")
    write(folder)
    text = (folder / "index.html").read_text()
    (folder / "index.html").write_text(text.replace("<head>", f"<head>{WATCH}"))
    return folder / "index.html"


def evaluated(
    page: Path, script: str, *, width: int = 1400, height: int = 900, dark: bool = False, target: str = ""
) -> Any:
    """Return the value of a script (the body of an async function) in the window of the page."""
    probe = page.with_name(f"probe-{width}.html")
    source = page.as_uri() + target
    probe.write_text(PROBE.format(width=width, height=height, source=source, script=json.dumps(script)))
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    flags = [*FLAGS, scheme, "--virtual-time-budget=20000", f"--user-data-dir={page.parent / 'profile'}"]
    command = [str(CHROMIUM), *flags, "--dump-dom", probe.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    (answer,) = re.findall(r'<pre id="answer">(.*?)</pre>', shown, re.DOTALL)
    return json.loads(html.unescape(answer))


def test_the_console_stays_silent(page: Path) -> None:
    opened = "for (const part of document.querySelectorAll('details')) part.open = true;"
    assert evaluated(page, f"{opened} await new Promise(r => setTimeout(r, 200)); return window.errors;") == []


def test_a_click_sorts_by_a_column_and_a_second_click_reverses_it(page: Path) -> None:
    script = """
        const table = document.querySelector("#digits table"), header = table.tHead.rows[0].cells[3];
        const order = () => [header.getAttribute("aria-sort"),
                             [...table.tBodies[0].rows].map(row => row.cells[3].dataset.value)];
        header.querySelector("button").click();
        const first = order();
        header.querySelector("button").click();
        return [first, order()];
    """
    (falling, first), (rising, second) = evaluated(page, script)
    assert (falling, rising) == ("descending", "ascending")
    assert first[:2] == ["180.0", "76.0"]
    assert second == first[::-1]


def test_sorting_by_a_metric_shows_its_ranks(page: Path) -> None:
    script = """
        const table = document.querySelector("#digits table");
        const words = row => row.cells[0].textContent + " " + row.cells[1].textContent;
        const ranks = () => [table.querySelector("thead small").textContent, words(table.tBodies[0].rows[0])];
        const column = name => [...table.tHead.rows[0].cells].find(cell => cell.textContent.startsWith(name));
        const found = [ranks()];
        column("is").querySelector("button").click();
        found.push(ranks());
        column("sampler").querySelector("button").click();
        found.push(ranks()[0]);
        return found;
    """
    by_fd, by_is, by_name = evaluated(page, script)
    assert by_fd[0] == "by fd"
    assert re.match(r"1 real", by_fd[1])
    # a higher Inception Score is better, and that of noise is highest here
    assert by_is[0] == "by is"
    assert re.match(r"1 noise", by_is[1])
    assert by_name == "by is"


def test_the_buttons_can_be_focused_by_the_keyboard(page: Path) -> None:
    script = """
        const button = document.querySelector("#digits thead button");
        button.focus();
        return [document.activeElement === button, button.type, button.tabIndex];
    """
    assert evaluated(page, script) == [True, "button", 0]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_does_not_scroll_horizontally(page: Path, width: int) -> None:
    script = """
        for (const part of document.querySelectorAll("details")) part.open = true;
        await new Promise(done => setTimeout(done, 200));
        return [document.querySelectorAll("#digits tbody tr").length, document.documentElement.scrollWidth];
    """
    rows, shown = evaluated(page, script, width=width)
    assert rows >= 4
    assert shown <= width


HALF_COVERED = """
    const board = document.querySelector(".board"), covered = [];
    const table = board.querySelector("table");
    for (let offset = 0; offset <= board.scrollWidth; offset += 13) {
      board.scrollLeft = offset;
      const end = board.getBoundingClientRect().left + board.clientLeft + board.clientWidth;
      for (const row of table.tBodies[0].rows) {
        const edge = row.cells[1].getBoundingClientRect().right;
        for (const text of row.querySelectorAll(".mean, .errors span")) {
          const { left, right } = text.getBoundingClientRect();
          const under = left < edge - .6 && right > edge + .6;
          const cut = left < end - .6 && right > end + .6;
          if (under || cut) covered.push([offset, text.textContent]);
        }
      }
    }
    return [board.scrollWidth > board.clientWidth, covered];
"""


@pytest.mark.parametrize("width", [390, 500, 800])
def test_no_number_is_half_covered_wherever_the_leaderboard_is_scrolled(page: Path, width: int) -> None:
    scrolls, covered = evaluated(page, HALF_COVERED, width=width)
    assert scrolls
    assert covered == []


def test_headers_ranks_and_names_stay_where_they_are(page: Path) -> None:
    script = """
        const board = document.querySelector(".board"), table = board.querySelector("table");
        board.scrollTo(200, 200);
        const at = cell => { const { left, top } = cell.getBoundingClientRect(); return [left, top]; };
        const view = board.getBoundingClientRect(), row = table.tBodies[0].rows[5];
        const [rank, name] = table.tHead.rows[0].cells;
        return [board.scrollLeft > 0 && board.scrollTop > 0, at(rank)[1] - view.top, at(name)[1] - view.top,
                at(rank)[0] - at(row.cells[0])[0], at(name)[0] - at(row.cells[1])[0], at(rank)[0] - view.left];
    """
    scrolled, *distances = evaluated(page, script, width=390, height=500)
    assert scrolled
    assert max(map(abs, distances)) <= 1.5


def test_the_answer_the_main_chart_and_the_table_come_first_and_the_rest_is_folded(page: Path) -> None:
    script = """
        const section = document.querySelector("#digits");
        const tops = [".headline", ".first figure", ".board", "details.part"].map(
            part => section.querySelector(part).getBoundingClientRect().top);
        return [tops, section.querySelectorAll("details.part[open]").length,
                document.querySelectorAll("img, image").length];
    """
    for width in WIDTHS:
        tops, opened, pictures = evaluated(page, script, width=width)
        assert tops == sorted(tops)
        assert (opened, pictures) == (0, 0)


def test_pictures_are_drawn_when_their_part_is_opened(page: Path) -> None:
    script = """
        document.querySelector("#digits-neighbours").open = true;
        await new Promise(done => setTimeout(done, 200));
        const { width, height } = document.querySelector("#digits-neighbours .band").getBoundingClientRect();
        return [width > 50, height > 50, document.querySelectorAll("image").length];
    """
    assert evaluated(page, script) == [True, True, 1]


@pytest.mark.parametrize("target", ["#digits-forest-is-", "#digits-row-vae", "#digits-by-count-gan"])
def test_a_link_to_a_row_or_a_chart_opens_what_is_around_it(page: Path, target: str) -> None:
    script = """
        await new Promise(done => setTimeout(done, 300));
        const box = document.getElementById(decodeURIComponent(location.hash.slice(1))).getBoundingClientRect();
        return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
    """
    assert evaluated(page, script, target=target)


def test_the_filter_and_the_list_of_columns_hide_rows_and_columns(page: Path) -> None:
    script = """
        const controls = document.querySelector(".controls"), table = document.querySelector(".board table");
        const field = controls.querySelector("input[type=search]");
        field.value = "LONG-name";
        field.dispatchEvent(new Event("input"));
        const rows = [...table.tBodies[0].rows].filter(row => row.offsetHeight).length;
        const box = controls.querySelector("input[type=checkbox]");
        box.click();
        const cells = [...table.rows].map(row => row.cells[2].offsetWidth);
        return [rows, Math.max(...cells), box.parentElement.textContent.trim()];
    """
    assert evaluated(page, script) == [9, 0, "fd\N{NO-BREAK SPACE}↓"]


def test_real_samples_and_noise_have_backgrounds_of_their_own(page: Path) -> None:
    script = """
        const names = ["real", "noise", "vae"].map(name => document.getElementById("digits-row-" + name));
        return names.map(row => getComputedStyle(row.cells[2]).backgroundColor);
    """
    colours = evaluated(page, script)
    assert len(set(colours)) == 3


def test_a_metric_explains_itself(page: Path) -> None:
    script = """
        const header = document.querySelector(".board thead").rows[0].cells[2];
        return [header.title, document.querySelector("#digits-metrics dl").textContent];
    """
    title, legend = evaluated(page, script)
    assert title.startswith("fd@digits: FID, or fd with other features")
    assert "Inception Score as torch-fidelity computes it" in legend


def test_the_committed_page_is_small_until_its_parts_are_opened() -> None:
    text = (REPORTS / "index.html").read_text()
    outside = re.sub(r"<template.*?</template>", "", text, flags=re.DOTALL)
    assert len(re.findall(r"<[a-z]", outside)) < 6000
    assert "data:image" not in outside


def test_the_committed_page_prints_on_few_sheets(tmp_path: Path) -> None:
    flags = [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={tmp_path / 'page.pdf'}"]
    command = [str(CHROMIUM), *flags, (REPORTS / "index.html").as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    sheets = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes()))
    assert 5 <= sheets <= 15


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; AXE_CORE names its axe.min.js")
@pytest.mark.parametrize(("width", "dark"), [(width, dark) for width in WIDTHS for dark in (False, True)])
def test_the_page_has_no_barrier_that_axe_finds(page: Path, width: int, dark: bool) -> None:
    script = """
        for (let round = 0; round < 2; round++) {
          for (const part of document.querySelectorAll("details")) part.open = true;
          await new Promise(done => setTimeout(done, 200));
        }
        const found = await axe.run(document, { resultTypes: ["violations"] });
        const scheme = matchMedia("(prefers-color-scheme: dark)").matches;
        return [scheme, innerWidth, found.violations.map(one => [one.id, one.nodes[0].html]), found.passes.length];
    """
    scheme, seen, violations, passed = evaluated(page, AXE.read_text() + script, width=width, dark=dark)
    assert (scheme, seen) == (dark, width)
    assert violations == []
    assert passed > 10
