"""Show how far long work is: a bar in a terminal, a line now and then elsewhere; and notices, all on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Protocol

SECONDS_BETWEEN_LINES = 15.0


class Progress(Protocol):
    """A progress bar, or what stands for it."""

    n: Any
    """Number of units that are done."""

    def update(self, n: float = 1) -> Any:
        """Count units that were done."""
        ...

    def write(self, s: str) -> None:
        """Print a line above the bar."""
        ...

    def set_postfix(self, ordered_dict: Mapping[str, object], *, refresh: bool) -> None:
        """Show values behind the bar."""
        ...


class ProgressLines:
    """Prints a line every 15 seconds, for logs: nothing for short work, and long work is never silent."""

    def __init__(self, total: int, description: str, unit: str) -> None:
        # a unit that is under way is not counted
        self.total, self.description, self.unit = total, description, unit
        self.n: float = 0

    def update(self, n: float = 1) -> None:
        """Count units that were done."""
        self.n += n

    def write(self, s: str) -> None:
        """Print a line."""
        tell(s)

    def set_postfix(self, ordered_dict: Mapping[str, object], *, refresh: bool) -> None:
        """Do nothing: a line has no values."""

    @contextmanager
    def printing(self) -> Iterator[ProgressLines]:
        """Print lines from a thread, so that they also come while a single unit takes long."""
        # the thread ends with the block
        ended, started = Event(), time.monotonic()

        def report() -> None:
            while not ended.wait(SECONDS_BETWEEN_LINES):
                seconds = time.monotonic() - started
                tell(f"{self.description}: {self.n:,.0f} of {self.total:,} {self.unit}s after {seconds:.0f} s")

        thread = Thread(target=report, name="progress lines", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()


@contextmanager
def progress_bar(total: int, description: str, unit: str, *, show: bool | None = None) -> Iterator[Progress]:
    """Show progress during a ``with`` block, which calls ``update``; a bar disappears when the block ends.

    Parameters: ``total``, the number of units; ``description``, the text before the bar; ``unit``, the singular name
    of a unit; ``show``: True for a bar, False for nothing, None for a bar if stderr is a terminal and otherwise for a
    line every 15 seconds.
    """
    # a closed stderr is None
    if show is None and not (sys.stderr is not None and sys.stderr.isatty()):
        with ProgressLines(total, description, unit).printing() as lines:
            yield lines
        return
    # tqdm is imported late because it takes time that most commands do not need
    from tqdm import tqdm

    # a disabled bar prints nothing
    with tqdm(total=total, desc=description, unit=unit, disable=show is False, leave=False) as bar:
        yield bar


def tell(notice: str) -> None:
    """Print a line on stderr, above the progress bars."""
    from tqdm import tqdm

    tqdm.write(notice, file=sys.stderr)
