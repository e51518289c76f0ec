"""The page in a browser: no errors, sortable columns, no horizontal scrolling on a phone. Needs Chromium."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from genbench.page.site import write
from tests.helpers.made_results import board

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run", "--virtual-time-budget=5000")  # fmt: skip

WATCH = """<script>
window.errors = [];
addEventListener("error", event => errors.push(event.message));
console.error = console.warn = (...words) => errors.push(words.join(" "));
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    for result in board():
        result.append(folder / "digits.jsonl")
    write(folder)
    return folder / "index.html"


def evaluated(page: Path, script: str, around: str = "{page}") -> Any:
    """Return the value of a script that runs after the scripts of the page."""
    text = around.format(page=page.read_text().replace("<head>", f"<head>{WATCH}"))
    answer = f"<script>addEventListener('load', () => {{ const pre = document.createElement('pre'); pre.id = 'answer'; pre.textContent = JSON.stringify((() => {{ {script} }})()); document.body.append(pre); }});</script>"  # noqa: E501
    probe = page.with_name("probe.html")
    probe.write_text(text + answer)
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={page.parent / 'profile'}", "--dump-dom", probe.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    (answer,) = re.findall(r'<pre id="answer">(.*?)</pre>', shown, re.DOTALL)
    return json.loads(html.unescape(answer))


def test_the_console_stays_silent(page: Path) -> None:
    assert evaluated(page, "return errors;") == []


def test_a_click_sorts_by_a_column_and_a_second_click_reverses_it(page: Path) -> None:
    script = """
        const table = document.querySelector("#digits table"), header = table.tHead.rows[0].cells[3];
        const order = () => [header.getAttribute("aria-sort"), [...table.tBodies[0].rows].map(row => row.cells[3].dataset.value)];
        header.querySelector("button").click();
        const first = order();
        header.querySelector("button").click();
        return [first, order()];
    """  # noqa: E501
    values = ["180.0", "40.0", "10.0", "1.0"]
    assert evaluated(page, script) == [["descending", values], ["ascending", values[::-1]]]


def test_the_buttons_can_be_focused_by_the_keyboard(page: Path) -> None:
    script = """
        const button = document.querySelector("#digits thead button");
        button.focus();
        return [document.activeElement === button, button.type, button.tabIndex];
    """
    assert evaluated(page, script) == [True, "button", 0]


def test_the_page_does_not_scroll_horizontally_on_a_phone(page: Path) -> None:
    srcdoc = page.read_text().replace("&", "&amp;").replace('"', "&quot;").replace("{", "{{").replace("}", "}}")
    around = f'<iframe style="width:390px;height:800px;border:0" srcdoc="{srcdoc}"></iframe>'
    script = """
        const inner = document.querySelector("iframe").contentDocument;
        return [inner.querySelectorAll("#digits tbody tr").length, inner.documentElement.scrollWidth];
    """
    rows, width = evaluated(page, script, around)
    assert rows >= 4
    assert width <= 390
