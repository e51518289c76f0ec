"""What genbench says when it cannot go on: one sentence that names the thing and the remedy."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from difflib import get_close_matches


class GenbenchError(Exception):
    """A mistake that the user can mend; its message is one sentence for people (exit code 1)."""

    exit_code = 1


class UsageError(GenbenchError):
    """A name, option or combination that genbench does not know (exit code 2)."""

    exit_code = 2


class InputError(GenbenchError):
    """A file, folder or array that cannot be used as it is."""


class PlugError(GenbenchError):
    """A plug (sampler, source, extractor or metric) that raised or broke its contract."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``", did you mean 'fid'?"`` when a known name is close to ``word``, else the known names."""
    names = sorted(known)
    in_lower_case = {name.lower(): name for name in names}
    close = get_close_matches(word.lower(), in_lower_case, n=1, cutoff=0.6)
    if close:
        return f", did you mean {in_lower_case[close[0]]!r}?"
    return f"; known: {', '.join(names)}." if names else "."


def guest_error(who: str, error: Exception) -> PlugError:
    """Say in one sentence what a guest raised and where."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    said = f": {error}" if str(error) else ""
    return PlugError(f"{who} raised {type(error).__name__}{said}{where}; mend it there and run again.")
