"""``genbench demo``: it makes what README uses, scores it offline, and names the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from genbench.cli.demo import SAMPLER
from genbench.results import read_results
from tests.cli.commands import refused, run
from tests.docs.pages import examples, page


def test_demo_makes_folders_a_sampler_results_and_a_page_and_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    outcome = run("demo", "tour")
    assert outcome.exit_code == 0, outcome.output
    tour = tmp_path / "tour"
    assert all(len(list((tour / name).glob("*.png"))) == 598 for name in ("real", "new", "old"))
    # the commands are shown, and the page is named
    assert "$ genbench score new/ real/ --features digits" in outcome.stdout
    assert f"The page: {tour / 'demo' / 'index.html'}" in outcome.stdout
    assert (tour / "demo" / "index.html").is_file()
    values = [result["fd@digits"].value for result in read_results(tour / "demo" / "digits.jsonl")]
    assert len(values) == 3
    assert values == sorted(values)
    assert Path.cwd() == tmp_path
    # a second tour would replace files
    assert "exist here already" in refused("demo", "tour")
    sys.modules.pop("my_models", None)


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_the_sampler_is_that_of_the_pages(name: str) -> None:
    assert SAMPLER in [example.code for example in examples(page(name))]
