"""Test ``genbench list``."""

from __future__ import annotations

from tests.cli.commands import run


def test_list_names_every_kind() -> None:
    text = run("list").stdout
    assert all(kind in text for kind in ("benchmarks:", "metrics:", "extractors:", "sources:", "samplers:"))
    assert "digits" in run("list", "benchmark").stdout


def test_the_list_is_plain_text_of_at_most_80_columns() -> None:
    text = run("list").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert not any(mark in text for mark in ("``", "Raises", " Return "))
