"""Inputs that are small on disk and ask for much memory: the command line refuses them within a limit."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

MEASURED = """
import os, re, resource, sys
limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from genbench.cli import main
sys.argv = ["genbench", *sys.argv[2:]]
try:
    code = main()
except SystemExit as end:
    code = end.code
# the peak of this program alone: ru_maxrss includes that of the process that started it
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
print("peak", peak >> 10, "code", code or 0, file=sys.stderr)
"""
BASE = ["--metrics", "fd", "--no-cache", "--quiet"]


def device(folder: Path) -> list[str]:
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    (folder / "b.png").symlink_to("/dev/zero")
    return ["score", "--samples", ".", "--reference", ".", "--features", "pixels,size=2", *BASE]


def pipe(folder: Path) -> list[str]:
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    os.mkfifo(folder / "b.png")
    return ["score", "--samples", ".", "--reference", ".", "--features", "pixels,size=2", *BASE]


def points(folder: Path) -> list[str]:
    np.save(folder / "points.npy", np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32))
    return ["score", "--samples", "points.npy", "--features", "points", *BASE, "--reference"]


def short_pickle(folder: Path) -> list[str]:
    # the memo of an unpickler is as long as the largest number in it
    (folder / "x.pkl").write_bytes(b"\x80\x02]r" + struct.pack("<I", 1 << 29) + b".")
    return [*points(folder), "x.pkl"]


def nested_pickle(folder: Path) -> list[str]:
    # each tuple holds the one before twice, and a key of a dict is hashed
    content = b"\x80\x02})" + b"q\x00h\x00\x86" * 25 + b"Ns."
    (folder / "x.pkl").write_bytes(content)
    return [*points(folder), "x.pkl"]


def statistics(folder: Path) -> list[str]:
    # zeros need little space
    size = 30_000
    for name, shape in (("mu.npy", (size,)), ("sigma.npy", (size, size))):
        with (
            zipfile.ZipFile(folder / "x.npz", "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open(name, "w", force_zip64=True) as file,
        ):
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(shape[0] if len(shape) > 1 else 1):
                file.write(bytes(2 * size))
    return [*points(folder), "x.npz"]


def bomb(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.png", "w") as file:
        for _ in range(512):
            file.write(bytes(1 << 20))
    return ["score", "--samples", "x.zip", "--reference", "x.zip", "--features", "pixels,size=2", *BASE]


SMALL = 1000
"""Megabytes: the libraries and what a refusal needs."""


@pytest.mark.parametrize(
    ("make", "code", "limit"),
    [
        (device, 1, SMALL),
        (pipe, 1, SMALL),
        (short_pickle, 1, SMALL),
        (nested_pickle, 1, SMALL),
        (statistics, 1, SMALL),
        (bomb, 1, SMALL),
    ],
)
def test_an_input_needs_no_more_memory_than_its_limit(
    make: Callable[[Path], list[str]], code: int, limit: int, tmp_path: Path
) -> None:
    words = make(tmp_path)
    # a refusal works even where the address space is limited
    address_space = 0 if code == 0 else 6 << 30
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(address_space), *words], cwd=tmp_path, capture_output=True, text=True,
        timeout=240, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    peak, ended = done.stderr.rpartition("peak ")[2].split(" code ")
    print(
        f"{make.__name__}: {peak} MB, {sum(f.stat().st_size for f in tmp_path.glob('x.*'))} bytes, {done.stderr[:200]}"
    )
    assert int(ended) == code, done.stderr
    assert int(peak) < limit
