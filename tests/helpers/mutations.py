"""Damaged inputs: changes of bytes, of archives and of JSON values, and the check that each is read or refused."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import re
import resource
import signal
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from genbench.errors import GenbenchError

Mutate = Callable[[bytes, random.Random], bytes]

HEADER_BYTES = 160
"""Damage near the beginning of a file is the most interesting."""

LIMIT_SECONDS = 20
"""An input that takes longer counts as a hang."""

LIMIT_BYTES = 3 << 29
"""Memory that the inputs of a test need at most, beside what the process had before. A few bytes of a damaged header
can ask for an image of 89 million pixels, for which loading allows 1 GiB."""

LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
"""Extreme values for fields that state a length."""

VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, -1e308, 1e-320, float("nan"), float("inf"), -float("inf"), 2**70, "", "x", "a@b",
    "\u2028", "\ud800", [], [1], ["a"], [[1, 2]], {}, {"a": 1}, "1e5", [None], {"a": None},
]  # fmt: skip
"""Values of every type that JSON has; none is right for every field."""

ODD_TEXTS = (b"[" * 3000, b"1" * 5000, b"NaN", b"-Infinity", b'"\\ud800"', b"\xef\xbb\xbf", b"\xc2\x85", b"\n", b"{}")
"""Pieces of JSON texts that parsers may stumble over."""


def mutated_bytes(content: bytes, rng: random.Random, pieces: Sequence[bytes] = ()) -> bytes:
    """Return the content with one to four changes: bits, bytes, pieces, gaps, repeats, lengths or an early end."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        # near the beginning, or near the end, where archives have their directory, or anywhere
        size = max(1, len(changed))
        begin, end = min(size, HEADER_BYTES), max(0, size - HEADER_BYTES)
        place = rng.choice((rng.randrange(begin), rng.randrange(size), rng.randrange(end, size)))
        _change(changed, place, rng, pieces)
    return bytes(changed)


def _change(changed: bytearray, place: int, rng: random.Random, pieces: Sequence[bytes]) -> None:
    kind = rng.choice(("bit", "byte", "piece", "piece", "length", "gap", "repeat", "insert", "end"))
    if kind == "bit" and changed:
        changed[place] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        changed[place : place + 1] = bytes([rng.randrange(256)])
    elif kind == "piece" and pieces:
        piece = rng.choice(pieces)
        changed[place : place + rng.choice((0, len(piece)))] = piece
    elif kind == "length":
        size = rng.choice((1, 2, 4, 8))
        value = rng.choice((*LENGTHS, rng.randrange(1 << 32))) % (1 << 8 * size)
        changed[place : place + size] = value.to_bytes(size, rng.choice(("little", "big")))
    elif kind == "gap":
        del changed[place : place + rng.randint(1, 20)]
    elif kind == "repeat":
        changed[place:place] = changed[place : place + rng.randint(1, 60)] * rng.randint(1, 3)
    elif kind == "insert":
        changed[place:place] = rng.randbytes(rng.randint(1, 8))
    elif kind == "end" and rng.random() < 0.4:
        del changed[place + 1 :]


def mutator(*pieces: bytes) -> Mutate:
    """Return ``mutated_bytes`` with pieces of a format."""
    return lambda content, rng: mutated_bytes(content, rng, pieces)


def mutated_zip(content: bytes, rng: random.Random, pieces: Sequence[bytes] = ()) -> bytes:
    """Return an archive with a damaged member, whose checksum is right, or with damage anywhere."""
    if rng.random() < 0.4:
        return mutated_bytes(content, rng, (b"PK\x01\x02", b"PK\x05\x06", b"../", b"/", *pieces))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that occur twice
        members = old.infolist()
        chosen = rng.choice(members).filename
        for member in members:
            data, name = old.read(member), member.filename
            if name == chosen:
                data = mutated_bytes(data, rng, pieces)
                name = rng.choice((name, name, name, rng.choice(members).filename, "x\x00y", "../x.png", "a\u2028.png"))
            new.writestr(name, data, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    return buffer.getvalue()


def mutated_png(content: bytes, rng: random.Random) -> bytes:
    """Return a damaged PNG file; in half of the cases the checksums of its chunks are right."""
    changed = mutated_bytes(content, rng, (b"IHDR", b"acTL", b"tRNS", b"zTXt", b"PLTE", b"iCCP", b"eXIf"))
    if rng.random() < 0.5:
        return changed
    # as far as there are chunks: length, type, data, checksum
    parts, place = [changed[:8]], 8
    while place + 12 <= len(changed):
        (length,) = struct.unpack(">I", changed[place : place + 4])
        data = changed[place + 4 : place + 8 + length]
        parts += [changed[place : place + 4], data, struct.pack(">I", zlib.crc32(data))]
        place += 12 + length
    return b"".join(parts) + changed[place:]


def mutated_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Return a damaged safetensors file: damage anywhere, or another value in the header or in a record within it."""
    if rng.random() < 0.4:
        return mutated_bytes(content, rng, (b'"F64"', b'"BF16"', b"[0,", b"-1", b"{", b"}"))
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    records = [key for key, text in header.get("__metadata__", {}).items() if text[:1] == "{"]
    if records and rng.random() < 0.6:
        key = rng.choice(records)
        header["__metadata__"][key] = mutated_json_text(json.loads(header["__metadata__"][key]), rng)
    else:
        header = mutated_json(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def json_paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value within a record; of lists only the first ones, and none of a flat copy."""
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value[:8] if isinstance(value, list) else ())
    for key, item in pairs:
        if key != "values" and not (path[-2:-1] == ("parts",) and key > 1):
            yield from json_paths(item, (*path, key))


def json_mutations(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the record without each of its values, and with every other value in its place."""
    for path in list(json_paths(record)):
        parent: Any = record
        for key in path[:-1]:
            parent = parent[key]
        before = copy.copy(parent)
        for value in VALUES:
            parent[path[-1]] = value
            yield record
        del parent[path[-1]]
        yield record
        # as it was, with the same order
        if isinstance(parent, dict):
            parent.clear()
            parent.update(before)
        else:
            parent[:] = before


def mutated_json(record: Any, rng: random.Random) -> Any:
    """Return a copy of a JSON value with one to three values replaced, doubled, exchanged, renamed or left out."""
    changed = copy.deepcopy(record)
    for _ in range(rng.randint(1, 3)):
        paths = list(json_paths(changed))
        if not paths:
            return rng.choice(VALUES)
        path = rng.choice(paths)
        parent: Any = changed
        for key in path[:-1]:
            parent = parent[key]
        kind, key = rng.choice(("replace", "replace", "replace", "drop", "wrap", "rename", "other")), path[-1]
        if kind == "drop":
            del parent[key]
        elif kind == "wrap":
            parent[key] = rng.choice(([parent[key]] * 2, {"a": parent[key]}, str(parent[key])))
        elif kind == "rename" and isinstance(parent, dict):
            parent[f"{key}{rng.choice(('', 'x', chr(0), chr(0x2028)))}"] = parent.pop(key)
        elif kind == "other":
            # a value of another place has a type that readers expect somewhere
            source: Any = record
            for step in rng.choice(list(json_paths(record)) or [()]):
                source = source[step]
            parent[key] = copy.deepcopy(source)
        else:
            parent[key] = copy.deepcopy(rng.choice(VALUES))
    return changed


def mutated_json_text(record: Any, rng: random.Random) -> str:
    """Return the JSON text of a changed record, sometimes with damage to the text itself."""
    text = json.dumps(mutated_json(record, rng) if rng.random() < 0.8 else record)
    if rng.random() < 0.7:
        return text
    return mutated_bytes(text.encode(), rng, ODD_TEXTS).decode(errors="replace")


def mutated_json_lines(content: bytes, rng: random.Random) -> bytes:
    """Return a JSON-lines file (or a file of one object) with a changed object or with damage anywhere."""
    if rng.random() < 0.4:
        return mutated_bytes(content, rng, ODD_TEXTS)
    lines = content.decode().splitlines()
    chosen = rng.randrange(len(lines))
    lines[chosen] = mutated_json_text(json.loads(lines[chosen]), rng)
    return "\n".join(lines).encode(errors="surrogatepass") + rng.choice((b"\n", b""))


class Kind(NamedTuple):
    """A kind of files."""

    name: str
    """Name of the file that is read."""
    originals: Callable[[Path], list[bytes]]
    """Makes whole files in a folder, and returns their bytes."""
    mutate: Mutate
    read: Callable[[Path], object]

    def __str__(self) -> str:
        return Path(self.name).name


def written(write: Callable[[Path], object], folder: Path) -> bytes:
    """Return the bytes of the file that ``write`` makes."""
    write(folder / "written")
    return (folder / "written").read_bytes()


def saved(save: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    """Return what ``save``, such as ``np.savez``, writes."""
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def check_kind(kind: Kind, count: int, folder: Path) -> None:
    """Check ``count`` damaged files of a kind. Some of them are read, or the damage would be too great."""
    path = folder / "read" / kind.name
    for made in (path.parent, folder / "made"):
        made.mkdir(parents=True)
    accepted = check_mutations(kind.read, path, kind.originals(folder / "made"), kind.mutate, count)
    print(f"{kind}: {accepted} of {count} are read")
    assert accepted > 0


def trials(fast: int, slow: int) -> list[Any]:
    """Return the numbers of inputs for a fast and for a slow test; MUTATIONS in the environment is a third one."""
    chosen = int(os.environ.get("MUTATIONS", slow))
    return [fast, pytest.param(chosen, marks=pytest.mark.slow, id="many")]


def check_mutations(
    read: Callable[[Path], object], path: Path, originals: Sequence[bytes], mutate: Mutate, count: int
) -> int:
    """Write damaged files and read them; return how many were accepted.

    Fails if a file raises anything but a GenbenchError of one sentence, gives several warnings, takes long, or if
    memory grows.
    """
    accepted, before = 0, peak_bytes()
    failures: dict[object, str] = {}
    # whole files must be read, or all the others would be refused for another reason
    for original in originals:
        path.write_bytes(original)
        read(path)
    for seed in range(count):
        rng = random.Random(seed)
        path.write_bytes(mutate(rng.choice(originals), rng))
        try:
            accepted += accepts(lambda: read(path), f"mutation {seed}")
        except AssertionError as error:
            # one example of each kind
            kind = type(error.__cause__), re.sub("[0-9]+", "", str(error))
            failures.setdefault(kind, f"{str(error)!r}: {path.read_bytes()[:200]!r}")
    assert not failures, "\n".join(failures.values())
    assert peak_bytes() - before < LIMIT_BYTES, f"{(peak_bytes() - before) >> 20} MB"
    return accepted


def accepts(act: Callable[[], object], what: str) -> bool:
    """Return whether an action succeeds, or False if it raises a GenbenchError of one sentence.

    Raises AssertionError for anything else.
    """
    with warnings.catch_warnings(record=True) as caught, _time_limit(what):
        # as on the command line, where the rest is printed
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            act()
        except GenbenchError as error:
            message = str(error)
            # the sentence ends with its advice
            if "\n" in message or message[-1] not in ".?)":
                raise AssertionError(f"{what}: not one sentence: {message!r}") from error
            return False
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
        finally:
            shown = [str(each.message) for each in caught]
    if len(shown) > 2:
        raise AssertionError(f"{what}: {len(shown)} warnings, such as {shown[0]!r}")
    return True


@contextlib.contextmanager
def _time_limit(what: str) -> Iterator[None]:
    late = []

    def fail(*_: object) -> None:
        late.append(True)
        raise KeyboardInterrupt  # readers do not catch it

    previous = signal.signal(signal.SIGALRM, fail)
    signal.alarm(LIMIT_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        assert not late, f"{what} takes more than {LIMIT_SECONDS} s"


def peak_bytes() -> int:
    """Return the largest memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
