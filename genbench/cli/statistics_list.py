"""Statistics by name as text: the list of all, and the details of one."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from genbench.features.published_statistics import NamedStatistics
from genbench.features.statistics_registry import own_file


def statistics_table(statistics: Sequence[NamedStatistics]) -> str:
    """Return a table of names, extractors, numbers of samples and checksums, about 80 characters wide."""
    rows = [
        (
            each.name,
            # an unknown extractor fits to any
            each.extractors[0] if each.extractors else "-",
            "-" if each.count is None else f"{each.count:,}",
            each.labels or "-",
            each.sha256[:8] or "-",
        )
        for each in statistics
    ]
    # numbers to the right
    headers = ("name", "extractor", "samples", "labels", "sha256")
    return tabulate(rows, headers=headers, disable_numparse=True, tablefmt="plain",
                    colalign=("left", "left", "right", "left", "left"))  # fmt: skip


def statistics_details(statistics: NamedStatistics) -> str:
    """Return one line for each thing that is known about these statistics."""
    # what is unknown is left out
    known = {
        "extractor": " or ".join(statistics.extractors),
        "samples": "" if statistics.count is None else f"{statistics.count:,}",
        "labels of generated samples": statistics.labels,
        "size": "" if statistics.size is None else f"{statistics.size:,} bytes",
        "sha256": statistics.sha256 or "none is published; the first file is trusted",
        "licence": statistics.licence,
        "source": statistics.source,
        "file": statistics.path or str(own_file(statistics)),
    }
    lines = [f"{what}: {text}" for what, text in known.items() if text]
    return "\n".join([f"stats:{statistics.name}", *lines, *(f"address: {url}" for url in statistics.urls)])
