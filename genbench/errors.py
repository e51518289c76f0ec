"""The errors that users see: each is one sentence that names the input and the remedy."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral


class GenbenchError(Exception):
    """A mistake that the user can correct. The message is one sentence; the command line exits with ``exit_code``."""

    exit_code = 1
    example = ""
    """Lines of code at the end of the message that show the remedy; each stays a line on a terminal."""


class UsageError(GenbenchError):
    """An unknown name or option, or a combination of options that is not allowed (exit code 2)."""

    exit_code = 2


class InputError(GenbenchError):
    """A file, folder or array that cannot be used."""


class MissingWeightsError(InputError):
    """Weights that are neither on this computer nor can be downloaded; ``file`` describes the file that is missing."""

    def __init__(self, message: str, file: str) -> None:
        super().__init__(message)
        self.file = file


class PlugError(GenbenchError):
    """A plug (sampler, source, extractor, metric, tracker) that raised an exception or broke its contract."""

    def __init__(self, message: str, example: str = "") -> None:
        super().__init__(message + example)
        self.example = example


class DivergedError(PlugError):
    """A sampler that gave NaN or infinity."""


class InputWarning(UserWarning):
    """A file that can be used, although something in it cannot."""


class PlugWarning(UserWarning):
    """A plug that cannot be used, which concerns only those who want to use it."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``", did you mean 'fid'?"`` if a known name is close to ``word``, otherwise the known names."""
    # compare in lower case, but suggest the name as it is written
    names = sorted(known)
    by_lower_case = {name.lower(): name for name in names}
    close = get_close_matches(word.lower(), by_lower_case, n=1, cutoff=0.6)
    if close:
        return f", did you mean {by_lower_case[close[0]]!r}?"
    return f"; known: {', '.join(names)}." if names else "."


def number_of(count: int, plural: str) -> str:
    """Return ``"3 samples"`` or ``"1 sample"``: a number of things, whose first noun in the plural becomes singular."""
    if count != 1:
        return f"{count:,} {plural}"
    # the first word that ends in s is the noun: "hidden files", "links to files already counted"
    words = plural.split(" ")
    noun = next((place for place, word in enumerate(words) if word.endswith("s")), None)
    if noun is not None:
        word = words[noun]
        words[noun] = f"{word[:-3]}y" if word.endswith("ies") else word[:-1]
    return f"1 {' '.join(words)}"


# a path that was made of an address has one slash only; one letter would be a drive of Windows
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+[^/]")


def refuse_address(text: object) -> None:
    """Raise InputError if a path or spec is an address: genbench downloads nothing that users name."""
    scheme = _ADDRESS.match(str(text))
    if scheme is None:
        return
    if scheme[1].lower() == "file":
        raise InputError(f"{text} is an address; give the path alone, without file://.")
    raise InputError(f"{text} is an address, and genbench does not download; fetch it first, and give the local path.")


def refuse_seed(seed: object) -> None:
    """Raise UsageError for a seed that is not a whole number from 0."""
    if not isinstance(seed, Integral) or int(seed) < 0:
        raise UsageError(f"The seed is {seed!r}; it must be a whole number from 0.")


_OWN_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


def guest_error(guest: str, error: BaseException) -> PlugError:
    """Return a PlugError that says in one sentence what a guest raised, and in which line of code."""
    # the last frame is the line that raised; a line of genbench is only the call, which does not fit the guest
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, TypeError) and frames and frames[-1].filename.startswith(_OWN_FOLDER):
        return PlugError(
            f"{guest} raised {described(error)} when it was called; give it the parameters of its contract."
        )
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return PlugError(f"{guest} raised {described(error)}{place}; correct it there and run again.")


OWN_ERRORS: tuple[type[BaseException], ...] = (GenbenchError, KeyboardInterrupt, GeneratorExit)
"""What ``guest_code`` raises unchanged: genbench's own errors, and interrupts."""


@contextmanager
def guest_code(guest: str, *, passing: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Turn whatever a guest's code raises into the PlugError of ``guest_error``; SystemExit, too.

    ``OWN_ERRORS`` and the classes in ``passing`` are raised unchanged.
    """
    try:
        yield
    except (*OWN_ERRORS, *passing):
        raise
    except BaseException as error:
        raise guest_error(guest, error) from error


def described(error: BaseException) -> str:
    """Return ``Type: message`` of an exception, in one line, or its type alone if its message is empty or raises."""
    # the classes of guests may have any __str__
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
