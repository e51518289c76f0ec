"""Test ``genbench cache``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import refused, run, score_pixels


def test_the_cache_is_listed_measured_and_cleared(images: Path) -> None:
    run(*score_pixels(images))
    assert "pixels,size=8" in run("cache", "list").stdout
    assert "B  " in run("cache", "size").stdout
    assert run("cache", "clear", "--yes").exit_code == 0
    assert run("cache", "list").stdout == ""


def test_clearing_without_an_answer_removes_nothing(images: Path) -> None:
    run(*score_pixels(images))
    assert "add --yes" in refused("cache", "clear", code=2)
    assert "pixels,size=8" in run("cache", "list").stdout


def test_clearing_reports_removed_and_remaining_features(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genbench.extraction.feature_store import Store

    run(*score_pixels(images))
    monkeypatch.setattr(Store, "clear", lambda self: None)
    outcome = run("cache", "clear", "--yes")
    assert outcome.exit_code == 1
    assert "removed 0 B" in outcome.stdout
    assert "could not be removed" in outcome.stderr


def test_an_empty_cache_is_reported() -> None:
    assert "holds no features yet" in run("cache", "list").stderr
