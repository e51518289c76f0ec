"""Test that the command line keeps freed memory and that imports do not change the process."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import genbench.cli as command_line
from genbench.cli import malloc


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The calls of mallopt, recorded by a substitute of the C library."""
    calls: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda option, value: calls.append((option, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    return calls


def test_glibc_keeps_freed_memory(calls: list[tuple[int, int]]) -> None:
    malloc.keep_pages()
    assert calls == [(malloc.MMAP_MAX, 0), (malloc.TRIM_THRESHOLD, 2**31 - 1), (malloc.ARENA_MAX, 1)]


def test_another_c_library_is_not_changed(monkeypatch: pytest.MonkeyPatch, calls: list[tuple[int, int]]) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    malloc.keep_pages()
    assert not calls


def test_options_of_malloc_in_the_environment_have_priority(
    monkeypatch: pytest.MonkeyPatch, calls: list[tuple[int, int]]
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    malloc.keep_pages()
    assert not calls


def test_a_verb_keeps_pages_and_an_import_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    verbs: list[str] = []
    monkeypatch.setattr(command_line, "keep_pages", lambda: verbs.append("keep"))
    CliRunner().invoke(command_line.main, ["cache", "size"])
    assert verbs == ["keep"]
    imports = "import sys; import genbench, genbench.extraction.extract, genbench.scoring.score"
    probe = f"{imports}; sys.exit('genbench.cli' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
