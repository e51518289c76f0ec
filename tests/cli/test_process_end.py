"""Test that the process ends without the destructors of C libraries, and with everything written."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from genbench.cli import command_group, main

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the functions are those of glibc")

PROBE = """
import atexit, ctypes, os, sys
from genbench.cli.process_end import end_without_destructors
library = ctypes.CDLL(None)
if not hasattr(library, "on_exit"):
    sys.exit(77)
os.environ.pop("LD_PRELOAD", None)
sys.modules.update(dict.fromkeys(sys.argv[1:]))
# stands for the destructors
library.on_exit(library.abort, None)
atexit.register(print, "atexit")
end_without_destructors()
library.printf(b"from C ")
sys.stdout.write("from Python ")
sys.exit(3)
"""


def ended(*modules: str) -> subprocess.CompletedProcess[str]:
    """Run the probe with modules that count as imported."""
    done = subprocess.run([sys.executable, "-c", PROBE, *modules], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("another C library")
    return done


def test_destructors_are_left_out_and_everything_else_is_done() -> None:
    done = ended("torch")
    assert (done.returncode, done.stderr) == (3, "")
    # C and Python have a buffer each
    assert {"from C", "from Python atexit"} <= {part.strip() for part in done.stdout.partition("from C")}


def test_without_torch_the_process_ends_as_usual() -> None:
    assert ended().returncode < 0


def test_only_the_command_line_ends_so(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(command_group, "end_without_destructors", lambda: calls.append("end"))
    CliRunner().invoke(main, ["--version"])
    main(["--version"], standalone_mode=False)
    assert not calls
    monkeypatch.setattr(sys, "argv", ["genbench", "--version"])
    with pytest.raises(SystemExit):
        main(prog_name="genbench")
    assert calls == ["end"]
