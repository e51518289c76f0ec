"""Progress without a terminal: long work is not silent, short work and quiet work are."""

from __future__ import annotations

import time

import pytest

from genbench.files import progress_bar as module
from genbench.files.progress_bar import progress_bar


def wait_for_a_line(capsys: pytest.CaptureFixture[str]) -> str:
    printed, give_up = "", time.monotonic() + 60
    while not printed and time.monotonic() < give_up:
        time.sleep(0.01)
        printed = capsys.readouterr().err
    return printed


def test_long_work_without_a_terminal_prints_lines_even_within_one_unit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    with progress_bar(2000, "digits", "trial") as bar:
        bar.update(1500)
        line = wait_for_a_line(capsys).splitlines()[0]
    assert line.startswith("digits: 1,500 of 2,000 trials after ")


def test_no_line_is_printed_after_the_work(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    with progress_bar(2, "digits", "trial"):
        wait_for_a_line(capsys)
    capsys.readouterr()
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_short_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(1, "digits", "trial") as bar:
        bar.update()
    assert capsys.readouterr().err == ""


def test_quiet_work_prints_nothing_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    with progress_bar(1, "digits", "trial", show=False):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""
