"""The charts of one benchmark's section."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.panel_ratios import PanelRatios, panel_ratios
from genbench.comparison.scales import limits_of
from genbench.page.comparison_charts import (
    ForestRow,
    forest,
    panel_dots,
    panel_scale,
    precision_against_recall,
    training_curves,
)
from genbench.page.sample_charts import distance_by_count, highest_bar, histogram, measured, scatter
from genbench.page.svg import EXTREME
from genbench.plugs.specs import parse_specs
from genbench.results import Result
from genbench.runs.reported_sampler import SamplerRun
from genbench.tables.leaderboard_table import Table
from genbench.theory.mixtures import MIXTURES, Mixture

NamedChart = tuple[str, Markup]
"""A chart with its title."""


@dataclass(frozen=True)
class SectionCharts:
    """The charts of the ranked results of one benchmark. A method returns nothing if its data are missing."""

    results: Sequence[Result]
    table: Table
    runs: Sequence[SamplerRun]
    """The ranked samplers, in the order of the table."""

    # Charts that compare samplers.

    def forests(self) -> list[NamedChart]:
        """Return a forest plot of each metric of the table."""
        # the table has the mean and the errors; the values of single seeds are in the results
        results = {run.name: run.results for run in self.runs}
        charts = []
        for metric, header in zip(self.table.metrics, self.table.headers, strict=True):
            rows = []
            # gray rows follow another protocol
            for row in self.table.rows:
                if row.ranked and metric in row.cells:
                    scores = [score for result in results.get(row.name, ()) for score in result.scores]
                    rows.append(ForestRow(row.cells[metric], [s.value for s in scores if s.name == metric]))
            # the limits come from the scores of all samplers
            entries = [score for result in self.results for score in result.scores if score.name == metric]
            if rows:
                charts.append((header, forest(metric, rows, limits_of(entries))))
        return charts

    def panels(self) -> list[tuple[str, list[NamedChart]]]:
        """Return, for each panel, the ratios of each sampler by encoder, first seed; all samplers share one scale."""
        found: dict[str, list[tuple[str, PanelRatios]]] = {}
        for run in self.runs:
            for ratios in panel_ratios(run.results[0]):
                found.setdefault(ratios.score, []).append((run.name, ratios))
        charts = []
        for score, named in found.items():
            scale = panel_scale([ratios for _, ratios in named])
            charts.append((score, [(name, panel_dots(name, ratios, scale)) for name, ratios in named]))
        return charts

    def precision_recall(self) -> Markup | None:
        """Return precision against recall, or their variants with k = 5; None if neither pair was scored."""
        # only scores with a direction have standings
        entries = [entry for result in self.results for entry in result.scores if entry.better is not None]
        names = list(dict.fromkeys(entry.name for entry in entries))
        for ending in ("", "_k5"):
            # the first extractor that has the metric
            by_metric = {name.partition("@")[0]: name for name in reversed(names)}
            pair = [by_metric[kind + ending] for kind in ("precision", "recall") if kind + ending in by_metric]
            if len(pair) == 2:
                boards = [{row.name: row for row in leaderboard(self.results, name)} for name in pair]
                both = {name: (boards[0][name], boards[1][name]) for name in boards[0] if name in boards[1]}
                return precision_against_recall(both)
        return None

    # One chart for each sampler.

    def points(self) -> list[NamedChart]:
        """Return a scatter plot of each sampler's points."""
        return [
            (run.name, scatter(run.name, gallery.points, gallery.reference_points, self._mixture))
            for run in self.runs
            if (gallery := run.gallery).points and _are_pairs([*gallery.points, *gallery.reference_points])
            # the reference points are the target without a known density
            if self._mixture is not None or len(set(map(tuple, gallery.reference_points))) > 1
        ]

    def modes(self) -> list[NamedChart]:
        """Return a histogram of modes for each sampler, all on one scale."""
        return _histograms(self._mode_shares(), "Share of samples in each mode")

    def marginals(self) -> list[NamedChart]:
        """Return a histogram of the mean prediction p(y) for each sampler without a histogram of the same classes."""
        # the modes of a classifier are its most probable classes: both histograms are nearly the same
        known = {name: len(shares) for name, shares, _ in self._mode_shares()}
        return _histograms(
            [
                (run.name, _shares(gallery.marginal), _shares(gallery.reference_marginal))
                for run in self.runs
                if _are_counts((gallery := run.gallery).marginal, gallery.reference_marginal)
                if known.get(run.name) != len(gallery.marginal)
            ],
            "p(y)",
        )

    def _mode_shares(self) -> list[tuple[str, list[float], list[float]]]:
        """Return the shares of generated and of reference samples in each mode, by sampler."""
        found = []
        for run in self.runs:
            counts, reference = run.gallery.modes, run.gallery.reference_modes
            # results from before the galleries contain their own counts
            entry = None if counts else run.entry("modes")
            if entry is not None:
                own = entry.detail.get("counts_all")
                counts = own if isinstance(own, (list, tuple)) else ()
                reference = [1] * len(counts)
            if _are_counts(counts, reference):
                found.append((run.name, _shares(counts), _shares(reference)))
        return found

    def distances_by_count(self) -> list[NamedChart]:
        """Return the Frechet distance against 1/N for each sampler."""
        charts = []
        for run in self.runs:
            distances = run.gallery.by_count
            # a line needs two points
            if distances is not None and len({row.samples for row in measured(distances)}) > 1:
                # the jackknife estimate is a score of its own: fd_debiased beside fd
                entry = run.entry(distances.name.partition("@")[0] + "_debiased")
                debiased = (entry.value, entry.error) if entry is not None and math.isfinite(entry.value) else None
                charts.append((run.name, distance_by_count(run.name, distances, debiased)))
        return charts

    def curves(self) -> list[tuple[str, list[NamedChart]]]:
        """Return the training curves of each sampler, the validation metric first."""
        charts = []
        for run in self.runs:
            # seeds may report different quantities, in the order in which they first appear
            steps = [step for history in run.histories.values() for step in history.steps]
            names = list(dict.fromkeys(name for step in steps for name in step.quantities))
            names.sort(key=lambda name: name != "validation")
            if names:
                drawn = [(_curve_title(name, run), training_curves(run.name, name, run.histories, run.chosen_steps))
                         for name in names]  # fmt: skip
                charts.append((run.name, drawn))
        return charts

    @property
    def _mixture(self) -> Mixture | None:
        """The 2-D mixture of the benchmark, which is an option of its extractor."""
        # extractor "points,toy=ring" of the benchmark ring8
        for result in self.results:
            for entry in result.scores:
                toy = parse_specs(entry.extractor)[0].options.get("toy") if "toy=" in entry.extractor else None
                if toy in MIXTURES:
                    return MIXTURES[str(toy)]
        return None


def _are_pairs(points: Sequence[Sequence[float]]) -> bool:
    return all(len(point) == 2 for point in points)


def _are_counts(*sides: Sequence[object]) -> bool:
    """Whether both sides have the same number of classes, one or more, and in each a finite number of 0 or more."""
    return 0 < len(sides[0]) == len(sides[1]) and all(
        isinstance(count, (int, float)) and 0 <= count <= EXTREME for side in sides for count in side
    )


def _histograms(sides: Sequence[tuple[str, list[float], list[float]]], what: str) -> list[NamedChart]:
    """Return the histogram of each sampler: its name, its shares and those of the reference."""
    # one scale, so that samplers can be compared by eye
    top = highest_bar([shares for _, shares, _ in sides], [reference for _, _, reference in sides])
    return [(name, histogram(name, shares, reference, what=what, top=top)) for name, shares, reference in sides]


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _curve_title(name: str, run: SamplerRun) -> str:
    """Return the name of a quantity; for the validation metric, how the checkpoint was chosen."""
    training = run.results[0].training
    chosen_by = training.chosen_by if training and name == "validation" else ""
    return chosen_by or name.replace("_", " ")
