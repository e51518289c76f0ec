"""Show progress bars and notices on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def progress_bar(total: int, description: str, unit: str, *, show: bool | None = None) -> tqdm[Any]:
    """Return a progress bar that disappears when it is closed; use it in a ``with`` block and call ``update``.

    Parameters: ``total``, the number of units; ``description``, the text before the bar; ``unit``, the singular name
    of a unit; ``show``, whether to show the bar (None: only if stderr is a terminal).
    """
    # tqdm is imported late because it takes time that most commands do not need
    from tqdm import tqdm

    # tqdm reads disable=None as "disable unless stderr is a terminal"
    disable = None if show is None else not show
    return tqdm(total=total, desc=description, unit=unit, disable=disable, leave=False)


def tell(notice: str) -> None:
    """Print a line on stderr, above the progress bars."""
    from tqdm import tqdm

    tqdm.write(notice, file=sys.stderr)
