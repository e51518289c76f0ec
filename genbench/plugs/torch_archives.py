"""Read files of torch as archives, without loading them: what they are, and whether their code opens files."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from genbench.errors import InputError

SUFFIXES = frozenset({".pt", ".pth", ".ts", ".jit", ".torchscript"})
"""Suffixes of files that may contain TorchScript, in lower case."""

FILE_CALL = re.compile(
    # torch.save and torch.from_file, however they are spelt ...
    r"\b(?:torch|aten|prim)[\s\\]*(?:\.|::)[\s\\]*(?:save|load|from_file)\b"
    # ... functions of other libraries whose names say that they use files, and libraries that are made for that
    r"|\bops[\s\\]*\.[\s\\]*(?:\w+[\s\\]*\.[\s\\]*(?:\w+_)?(?:save|load|file|read|write|open|mmap)(?:_\w+)?\b"
    r"|(?:image|video_reader|torchaudio\w*|c10d\w*|rpc)\b)"
)
"""Calls in the code of TorchScript that read, write or map files, or reach other processes."""

CODE_LIMIT = 1 << 26
"""Largest size of the code of an archive, in bytes; real networks need a few megabytes."""


def torchscript_code(path: Path) -> dict[str, str]:
    """Return the code in a TorchScript archive by the name of its file; empty for files of another kind.

    Raises InputError for an archive of an older format, or with code that cannot be told for certain.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # torch ignores the case of names
            members = [member for member in archive.infolist() if member.filename.lower().endswith(".py")]
            names = {member.filename.lower() for member in members}
            old = any(name.rpartition("/")[2].lower() == "model.json" for name in archive.namelist())
            if old or len(names) < len(members) or sum(member.file_size for member in members) > CODE_LIMIT:
                raise InputError(
                    f"{path} is a TorchScript archive whose code cannot be checked; load it with torch.jit.load and "
                    "save it again with this version of torch, if you trust it."
                )
            return {member.filename: archive.read(member).decode(errors="replace") for member in members}
    except InputError:
        raise
    except Exception:  # damaged or hostile bytes can raise any exception
        return {}


def refuse_file_access(path: Path) -> bool:
    """Return whether a file is a TorchScript archive; InputError if its code uses files or other processes."""
    # the first such call is named
    files = torchscript_code(path)
    for name, code in files.items():
        call = FILE_CALL.search(code)
        if call is not None:
            raise InputError(
                f"{path} is a TorchScript program that uses files or other processes: {call[0]!r} in {name}; it is not "
                "loaded. Ask its author for an archive that only computes."
            )
    return bool(files)


def described_torch_file(path: Path) -> str:
    """Return what a file with a suffix of torch is, from its archive alone: nothing in it is loaded or run."""
    # a program has code in its archive
    code = torchscript_code(path)
    if code:
        calls = [call[0] for call in map(FILE_CALL.search, code.values()) if call is not None]
        warning = f", and it uses files or other processes ({calls[0]!r})" if calls else ""
        return f"a TorchScript program of {sum(text.count(chr(10)) for text in code.values()):,} lines{warning}"
    # torch.save writes an archive with a pickle; its older format is a pickle alone
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        return "a pickled object of torch (weights or a module)"
    return "a pickled object (weights or a module)" if start[:1] == b"\x80" else "no file of torch"
