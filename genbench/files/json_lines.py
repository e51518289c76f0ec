"""Files with one JSON value a line: read them, and append a line completely or not at all."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

from genbench.errors import InputError, InputWarning, refuse_address
from genbench.files.json_records import parse_json

Read = TypeVar("Read")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_json_lines(path: Path, read: Callable[[Any], Read], *, noun: str, advice: str) -> list[Read]:
    """Return ``read`` of the value of each line; empty lines are skipped.

    ``noun`` says what a line should be ("a result of genbench") and ``advice`` what to do. An incomplete last line,
    which a killed process leaves behind, is skipped with an InputWarning. Raises InputError that names the file and the
    line if the file cannot be read, a line is no JSON, or ``read`` raises ValueError.
    """
    refuse_address(path)
    try:
        # only a newline ends a line: names may have other separators such as U+2028
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {advice}.") from error
    # errors name the line as an editor counts it
    values = []
    for number, line in enumerate(lines, 1):
        # files of some editors, also joined ones, have byte-order marks
        line = line.removeprefix(BYTE_ORDER_MARK)
        if not line.strip():
            continue
        # the last element is empty if the file ends with a newline
        if number == len(lines) and is_torn(line):
            warnings.warn(
                f"{path}, line {number} is incomplete and is skipped: its writer was stopped.", InputWarning, 2
            )
            continue
        try:
            values.append(read(parse_json(line.decode("utf-8"))))
        except ValueError as error:
            raise InputError(f"{path}, line {number} is not {noun} ({error}); {advice}.") from error
    return values


def is_torn(line: bytes) -> bool:
    """Return whether a line without a newline is the beginning of a JSON object whose end is missing."""
    # after a power failure the end may be NULs; they were never text
    line = line.rstrip(b"\0")
    if not line:
        return True
    if not line.startswith(b"{"):
        return False
    try:
        text = line.decode("utf-8").rstrip()
        parse_json(text)
    except UnicodeDecodeError as error:
        # a character may be cut, too
        return error.end == len(line)
    except json.JSONDecodeError as error:
        # the text ends where more was expected; a mistake within a complete object is no missing end
        return error.pos >= len(text) or not text.endswith("}") or error.msg.startswith("Unterminated")
    except ValueError:
        return False
    return False


def append_json_line(path: Path, line: str, read: Callable[[Any], Any], *, advice: str) -> None:
    """Append a line to a file that several processes may write to. After an error the file is as it was.

    An incomplete last line is replaced. ``advice`` says what to do if the file cannot be written. Raises InputError
    then, and if ``read``, which will read the line again, raises ValueError.
    """
    try:
        read(parse_json(line))
        _append(path, line)
    except ValueError as error:
        raise InputError(
            f"Nothing is written to {path} because it could not be read again ({error}); correct the plug that gave "
            "this value."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); {advice}.") from error


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = f"{line}\n".encode()
    # "a+b" creates the file, reads its end and writes after it
    with path.open("a+b", buffering=0) as file, _locked(file.fileno()):
        # a pipe or a terminal has no end to look at
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            _write_all(file.fileno(), content)
            return
        end = _end_of_last_line(file.fileno())
        size = os.fstat(file.fileno()).st_size
        if end < size:
            warnings.warn(f"{path} ends with an incomplete line, which is replaced.", InputWarning, 2)
            os.ftruncate(file.fileno(), end)
        elif end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            content = b"\n" + content
        try:
            _write_all(file.fileno(), content)
            os.fsync(file.fileno())
        except BaseException:
            # a full disk, or Ctrl-C
            os.ftruncate(file.fileno(), end)
            raise


def _end_of_last_line(handle: int) -> int:
    """Return the size of a file without an incomplete last line."""
    size = os.fstat(handle).st_size
    # find the last newline without reading a large file: block by block from the end
    start, block = size, 1 << 16
    tail = b""
    while start > 0 and b"\n" not in tail:
        begin = max(start - block, 0)
        tail = os.pread(handle, start - begin, begin) + tail
        start = begin
    line = tail.rpartition(b"\n")[2]
    return size - len(line) if line and is_torn(line) else size


def _write_all(handle: int, content: bytes) -> None:
    # one call writes less than everything on a disk that is nearly full, and the next one raises
    while content:
        content = content[os.write(handle, content) :]


@contextmanager
def _locked(handle: int) -> Iterator[None]:
    """Hold the lock of an open file; without locks on this system or disk, do nothing."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
    # closing the file releases the lock
    yield
