"""The command line keeps its freed memory; nobody else's process is touched."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import genbench.cli as command_line
from genbench.cli import malloc as memory


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What a C library that notes it down has been asked for."""
    asked: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda option, value: asked.append((option, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    return asked


def test_glibc_is_told_to_keep_what_is_freed(asked: list[tuple[int, int]]) -> None:
    memory.keep_pages()
    assert asked == [(memory.MMAP_MAX, 0), (memory.TRIM_THRESHOLD, 2**31 - 1)]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[int, int]]) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    memory.keep_pages()
    assert not asked


def test_what_the_environment_says_about_malloc_counts(
    monkeypatch: pytest.MonkeyPatch, asked: list[tuple[int, int]]
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    memory.keep_pages()
    assert not asked


def test_a_verb_keeps_pages_and_an_import_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(command_line, "keep_pages", lambda: called.append("keep"))
    CliRunner().invoke(command_line.main, ["cache", "size"])
    assert called == ["keep"]
    imports = "import sys; import genbench, genbench.extraction.extract, genbench.scoring.score"
    probe = f"{imports}; sys.exit('genbench.cli' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
