"""How a score changed over time: all results of a sampler, from the oldest to the newest commit or day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timezone
from typing import NamedTuple

from markupsafe import Markup

from genbench.comparison.group_by_subject import by_subject, created_at
from genbench.page.comparison_charts import CHART_WIDTH
from genbench.page.svg import Scale, chart, dot, line, polyline, svg_text, y_axis
from genbench.results import Entry, Result
from genbench.results.rounding import number_with_error


class Version(NamedTuple):
    """The results of one sampler from one commit, or from one day without a commit."""

    when: str
    """Day of the first of these results in UTC, as YYYY-MM-DD."""
    commit: str
    entries: Sequence[Entry]
    """The score of each training seed."""

    @property
    def mean(self) -> float:
        """Mean over the training seeds."""
        return sum(entry.value for entry in self.entries) / len(self.entries)

    @property
    def error(self) -> float:
        """Sampling error of the mean, as if that of each seed were independent; 0 if it is unknown."""
        return math.hypot(*(entry.error or 0.0 for entry in self.entries)) / len(self.entries)

    @property
    def words(self) -> str:
        """Day, commit and mean, for people."""
        commit = f", commit {self.commit}" if self.commit else ""
        return f"{self.when}{commit}: {' '.join(number_with_error(self.mean, self.error or None)).strip()}"


def trends(results: Sequence[Result], metric: str) -> list[tuple[str, Markup]]:
    """Return a chart for each sampler that has the metric from at least two commits or days.

    ``results``: of one protocol, also those that newer ones replace in the table.
    """
    # a single version has nothing to be compared with
    charts = []
    for name, versions in versions_of(results, metric).items():
        if len(versions) > 1:
            charts.append((name, trend_chart(f"{metric} of {name}", versions)))
    return charts


def versions_of(results: Sequence[Result], metric: str) -> dict[str, list[Version]]:
    """Return the versions of each sampler that have finite scores, the oldest first."""
    # results of one commit, or else of one day, are one version
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in sorted(results, key=created_at):
        groups.setdefault((result.commit, "" if result.commit else _day(result)), []).append(result)
    found: dict[str, list[Version]] = {}
    for (commit, _), group in groups.items():
        # of results with the same seed, the newest counts
        for name, own in by_subject(group).items():
            entries = [entry for each in own for entry in each.scores if entry.name == metric]
            # a seed that diverged has no place in the chart
            entries = [entry for entry in entries if math.isfinite(entry.value)]
            if entries:
                found.setdefault(name, []).append(Version(_day(group[0]), commit, entries))
    return found


def trend_chart(what: str, versions: Sequence[Version]) -> Markup:
    """Draw the mean of each version with its 95 % sampling interval, and each seed, at equal distances."""
    # the scale holds every interval and every seed
    reach = [1.96 * version.error for version in versions]
    ends = [version.mean + sign * r for version, r in zip(versions, reach, strict=True) for sign in (-1, 1)]
    up = Scale.over([*ends, *(entry.value for version in versions for entry in version.entries)], 112, 8)
    # versions are equally far apart, because the dates of commits are not
    across = Scale(0, len(versions) - 1, 60, CHART_WIDTH - 36)
    parts = [y_axis(up, 46, CHART_WIDTH - 10)]
    parts.append(polyline([(across(place), up(version.mean)) for place, version in enumerate(versions)], "curve"))
    # the interval first, so that the dots lie on it
    for place, version in enumerate(versions):
        x, y = across(place), up(version.mean)
        parts.append(line(x, up(version.mean - reach[place]), x, up(version.mean + reach[place]), "spread"))
        parts += [dot(x, up(entry.value), 2, "seed") for entry in version.entries if len(version.entries) > 1]
        parts.append(dot(x, y, 3.5, "point", title=version.words))
    # the first and the last day
    parts += [
        svg_text(across(place), 126, versions[place].when, "tick", anchor="middle") for place in (0, len(versions) - 1)
    ]
    return chart(CHART_WIDTH, 132, parts, label=f"{what} over time: {'; '.join(each.words for each in versions)}")


def _day(result: Result) -> str:
    # machines in several zones have one calendar
    return created_at(result).astimezone(timezone.utc).date().isoformat()
