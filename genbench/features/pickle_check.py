"""Check the opcodes of a pickle before it is loaded, so that a small file cannot need much memory or time."""

from __future__ import annotations

import io
import pickletools
from typing import BinaryIO

_PUT = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_GET = ("GET", "BINGET", "LONG_BINGET")
_TUPLE = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")

_UNUSED = frozenset({"DUP", "POP", "POP_MARK", "EMPTY_SET", "ADDITEMS", "FROZENSET", "NEXT_BUFFER", "READONLY_BUFFER"})
"""Opcodes that no pickle of arrays, numbers, texts, lists and dicts contains."""

_LARGEST_NUMBER = 1 << 128
_MOST_SHARED_TUPLES = 8
"""Tuples that are used again. Each use can double the time that a nested tuple takes as a key of a dict."""


def check_opcodes(content: bytes | BinaryIO) -> None:
    """Raise ValueError if a pickle is cut short, or if loading it could need far more memory or time than its size.

    Of an open file, the next pickle is checked, and the file is read up to its end.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    shared = 0
    # whether the object on top of the stack is a tuple, and the numbers in the memo under which tuples are stored
    on_top = False
    tuples: set[int] = set()
    stored = 0
    # genops raises ValueError if an argument is longer than the rest of the file
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if opcode.name in _UNUSED:
            raise ValueError(f"it contains the opcode {opcode.name}, which arrays do not need")
        # the hash of a long number is computed anew each time it is a key
        if isinstance(argument, int) and opcode.name != "FRAME" and abs(argument) > _LARGEST_NUMBER:
            raise ValueError("it contains a number of more than 128 bits")
        if opcode.name in _PUT:
            # the unpickler allocates its memo up to the largest number
            place = stored if opcode.name == "MEMOIZE" else int(argument or 0)
            if not 0 <= place <= count:
                raise ValueError(f"it stores an object under the number {place}")
            stored += 1
            (tuples.add if on_top else tuples.discard)(place)
        elif opcode.name in _GET:
            # nesting a shared tuple doubles the work of hashing it, so only a few are allowed
            on_top = int(argument or 0) in tuples
            shared += on_top
            if shared > _MOST_SHARED_TUPLES:
                raise ValueError("it uses many tuples more than once")
        elif opcode.name not in ("PROTO", "FRAME"):
            on_top = opcode.name in _TUPLE
