"""Packages that collide with others or cannot be imported concern only those who use them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from genbench.cli import main
from genbench.errors import PlugError, PlugWarning
from genbench.plugs import registry
from genbench.plugs.opening import open_subject

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package of one module with an entry point ``kind, name, attribute``."""
    caches = (registry.installed, registry._registrations, registry._usable)

    def add(package: str, code: str, kind: str, *names: str) -> None:
        (tmp_path / f"{package}.py").write_text(code)
        record = tmp_path / f"{package}-1.0.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        entries = "\n".join(f"{name} = {package}:Guest" for name in names)
        (record / "entry_points.txt").write_text(f"[genbench.{kind}]\n{entries}\n")
        for cached in caches:
            cached.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield add
    for cached in caches:
        cached.cache_clear()


METRIC = "class Guest:\n    'Another fd.'\n    needs, reference = ('embedding',), 'rows'\n"

BROKEN = "raise {error}\n"


def test_a_name_of_two_packages_is_refused_when_it_is_used_and_both_are_named(install: Install) -> None:
    install("acme_fd", METRIC, "metrics", "fd")
    with pytest.raises(PlugError, match=r"'fd' is registered by .*genbench .*acme_fd \(acme_fd:Guest\).*uninstall one"):
        registry.load("metrics", "fd")
    # another name and the object itself are as before
    assert registry.load("metrics", "kid") is not None
    assert type(registry.load("metrics", "acme_fd:Guest")).__name__ == "Guest"


def test_a_name_of_two_packages_is_marked_in_the_list(install: Install) -> None:
    install("acme_fd", METRIC, "metrics", "fd")
    outcome = CliRunner().invoke(main, ["list", "metrics"])
    assert outcome.exit_code == 0
    line = next(line for line in outcome.stdout.splitlines() if line.startswith("  fd "))
    assert "Cannot be used. The metric 'fd' is registered by" in line
    assert "Vendi score" in outcome.stdout


@pytest.mark.parametrize("error", ["ImportError('no libfoo')", "SystemExit(3)", "Strange()"])
def test_a_plug_that_cannot_be_imported_does_not_concern_other_commands(
    install: Install, error: str, tmp_path: Path
) -> None:
    strange = "class Strange(BaseException):\n    def __str__(self):\n        raise ValueError\n"
    install("broken_guest", strange + BROKEN.format(error=error), "sources", "a-broken-one")
    np.save(tmp_path / "points.npy", np.zeros((4, 2), np.float32))
    # a path that any plug may accept
    with pytest.warns(PlugWarning, match=r"'a-broken-one' \(broken_guest:Guest\) cannot be imported"):
        assert len(open_subject(tmp_path / "points.npy")) == 4  # type: ignore[arg-type]
    # it is told when it is used or listed
    with pytest.raises(PlugError, match="cannot be imported"):
        open_subject("a-broken-one")
    outcome = CliRunner().invoke(main, ["list", "sources"])
    assert "Cannot be used. The plug 'a-broken-one'" in " ".join(outcome.stdout.split())
    assert "digits" in outcome.stdout


def test_a_plug_that_raises_when_it_is_asked_is_left_out_with_a_warning(install: Install, tmp_path: Path) -> None:
    code = "class Guest:\n    @staticmethod\n    def accepts(subject):\n        return 1 / 0\n"
    install("dividing_guest", code, "sources", "a-dividing-one")
    np.save(tmp_path / "points.npy", np.zeros((4, 2), np.float32))
    with pytest.warns(PlugWarning, match="'a-dividing-one' raised ZeroDivisionError"):
        assert len(open_subject(tmp_path / "points.npy")) == 4  # type: ignore[arg-type]


def test_a_warning_of_genbench_is_one_line_on_stderr(install: Install, tmp_path: Path) -> None:
    install("broken_guest", BROKEN.format(error="ImportError"), "sources", "a-broken-one")
    np.save(tmp_path / "points.npy", np.random.default_rng(0).random((4, 2), np.float32))
    with pytest.warns(PlugWarning) as caught:
        CliRunner().invoke(main, ["inspect", str(tmp_path / "points.npy")])
    text = warnings.formatwarning(caught[0].message, PlugWarning, "file.py", 1)
    assert text.startswith("Warning: The plug")
    assert text.count("\n") == 1
