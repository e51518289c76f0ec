"""Damaged .npy and .npz files: each one is read, or refused in one line."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.errors import GenbenchError
from genbench.sources.array_files import Npy, Npz

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 5, 3), dtype=np.uint8)

HEADER_BYTES = 160
"""Damage near the beginning of a file is the most interesting."""

# pieces of headers, and values that readers may trust
PIECES = [b"(", b")", b"-", b"9" * 20, b"'descr'", b"|O", b"|b1", b"<f2", b">u2", b"<c8", b"<U3", b"<M8[s]", b"True"]
PIECES += [b"0", b",", b"\x00", b"\xff" * 8, b"[('a','<f4')]", b"|V3", b"{", b"}", b"PK\x01\x02"]


def _written(save: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


ARRAYS = [IMAGES, IMAGES.astype(np.float32) / 255, np.asfortranarray(IMAGES), np.ones((4, 2)), IMAGES > 127]
NPY = [_written(np.save, array) for array in ARRAYS]
NPZ = [
    _written(np.savez, IMAGES, IMAGES, np.arange(12)),
    _written(np.savez, IMAGES, labels=np.arange(6.0), class_names=np.array(list("abcdef")), other=np.ones(3)),
    _written(np.savez_compressed, IMAGES, np.eye(6), class_names=np.array(list("abcdef"))),
]


def _mutated(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to four changes: a byte, a piece of a header, a gap or an early end."""
    mutated = bytearray(content)
    end = len(content) if rng.random() < 0.4 else HEADER_BYTES
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(max(1, min(end, len(mutated))))
        change = rng.random()
        if change < 0.4:
            mutated[place : place + 1] = bytes([rng.randrange(256)])
        elif change < 0.7:
            piece = rng.choice(PIECES)
            mutated[place : place + rng.choice((0, len(piece)))] = piece
        elif change < 0.85:
            del mutated[place : place + rng.randint(1, 20)]
        else:
            del mutated[place + 1 :]
    return bytes(mutated)


def _read(kind: Any, path: Path, declared: str | None) -> str:
    """Read a whole file; return the message of the error, or an empty text."""
    try:
        source = kind(path, range=declared)
        for batch in source.batches(4):
            assert len(batch.data) == len(batch.index)
        source.digest(0, len(source))
    except GenbenchError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("kind", "originals"), [(Npy, NPY), (Npz, NPZ)])
def test_a_damaged_file_is_read_or_refused_in_one_line(
    kind: Any, originals: list[bytes], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # an unusable cache: every file is new
    monkeypatch.setenv("GENBENCH_CACHE", "/dev/null/no")
    path = tmp_path / f"x.{kind.__name__.lower()}"
    for seed in range(count):
        rng = random.Random(seed)
        path.write_bytes(_mutated(rng.choice(originals), rng))
        try:
            message = _read(kind, path, rng.choice((None, "0..1", "-1..1", "0..255")))
        except Exception as error:
            pytest.fail(f"mutation {seed}: {error!r}")
        assert "\n" not in message
