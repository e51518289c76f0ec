"""The device is found without torch where no GPU can be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from genbench.errors import UsageError
from genbench.scoring import usable_device as module
from genbench.scoring.usable_device import usable_device


def test_a_cpu_and_a_machine_without_a_gpu_need_no_torch() -> None:
    program = (
        "import sys; from genbench.scoring import usable_device as module; module.GPU_FILES = ();"
        "assert module.usable_device('cpu') == module.usable_device('auto') == 'cpu';"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_auto_is_what_torch_says_where_a_gpu_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GPU_FILES", ("null",))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert usable_device("auto") == "cpu"


def test_a_device_that_does_not_exist_is_told_early() -> None:
    with pytest.raises(UsageError, match="'quantum' cannot be used here"):
        usable_device("quantum")
