"""One benchmark's section of the report: its table, charts and provenance, as the templates need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from genbench.benchmarks import installed_benchmark
from genbench.comparison.leaderboard import leaderboard
from genbench.page.charts import ForestRow, forest, precision_against_recall, training_curves
from genbench.page.provenance import ProvenanceRow, provenance_row, run_commands, software_versions
from genbench.page.published import PublishedNumbers, published_numbers
from genbench.page.sample_charts import conditional, distance_by_count, histogram, scatter
from genbench.page.sheets import Sheet
from genbench.page.training_tables import CriticRow, LikelihoodRow, critic_rows, likelihood_rows
from genbench.plugs.specs import parse_specs
from genbench.results import Result
from genbench.runs.sampler_run import SamplerRun, sampler_runs
from genbench.tables.formats import table_html, table_markdown
from genbench.tables.leaderboard_table import Table, by_protocol, tabulated
from genbench.theory.mixtures import MIXTURES, Mixture

GROUP_TITLES = {
    "random": "Random samples",
    "typical": "Most typical samples: nearest to a reference sample",
    "odd": "Least typical samples: farthest from every reference sample",
}

NamedChart = tuple[str, Markup]
"""A chart with its title."""


class Strip(NamedTuple):
    """A group of samples, each above its nearest neighbours."""

    title: str
    picture: Markup
    distances: Sequence[float]


@dataclass(frozen=True)
class Section:
    """The section about one file of results."""

    name: str
    """Name of the file without ``.jsonl``."""
    results: tuple[Result, ...]
    root: Path
    """Folder of the report."""

    # The samplers, and the parts of the section that are text.

    @cached_property
    def groups(self) -> list[list[Result]]:
        """The results by protocol; only the first group is ranked."""
        return by_protocol(self.results)

    @cached_property
    def table(self) -> Table:
        """The leaderboard of all results."""
        return tabulated(self.results, allow_mixed=True)

    @cached_property
    def runs(self) -> list[SamplerRun]:
        """The ranked samplers, in the order of the table."""
        order = {row.name: position for position, row in enumerate(self.table.rows) if row.ranked}
        return sorted(sampler_runs(self.groups[0], self.root), key=lambda run: order.get(run.name, len(order)))

    @property
    def ranked_results(self) -> list[tuple[str, Result]]:
        """All ranked results, each with the name of its sampler, in the order of the table."""
        return [(run.name, result) for run in self.runs for result in run.results]

    @property
    def id(self) -> str:
        """The name as an anchor on the page."""
        return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in self.name)

    @property
    def about(self) -> str:
        """The benchmark's description; empty if it is not installed in this version."""
        recipe = installed_benchmark(self.groups[0][0].benchmark)
        return recipe.about if recipe is not None else ""

    @property
    def leaderboard(self) -> Markup:
        """The table as HTML."""
        return Markup(table_html(self.table))

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        return table_markdown(self.table)

    @property
    def published(self) -> PublishedNumbers | None:
        """What papers report for this benchmark."""
        return published_numbers((self.table.benchmark or self.name).partition("@")[0])

    @property
    def perfect(self) -> dict[str, str]:
        """Expected scores of a perfect sampler at this number of samples, by short name, if theory gives them."""
        columns = [*self.table.metrics, *(self.published.columns if self.published else ())]
        shown = {metric.partition("@")[0] for metric in columns}
        real = next((result for result in self.groups[0] if result.name == "real"), self.groups[0][0])
        return {
            entry.name.partition("@")[0]: f"{entry.detail['expected']:.4g}"
            for entry in real.scores
            if entry.name.partition("@")[0] in shown and isinstance(entry.detail.get("expected"), (int, float))
        }

    @property
    def critics(self) -> list[CriticRow]:
        """The critics' estimates of trained models, and the exact values."""
        return critic_rows([result for _, result in self.ranked_results])

    @property
    def likelihoods(self) -> list[LikelihoodRow]:
        """Log-likelihoods of trained models."""
        return likelihood_rows([result for _, result in self.ranked_results])

    @property
    def commands(self) -> list[str]:
        """The commands that make the ranked results again."""
        return run_commands(self.groups[0], self.root.resolve().name)

    @property
    def protocol(self) -> dict[str, str]:
        """The protocol of the ranked results."""
        return self.groups[0][0].protocol

    @property
    def versions(self) -> str:
        """The versions of the software that made the ranked results."""
        return software_versions(self.groups[0])

    @property
    def provenance(self) -> list[ProvenanceRow]:
        """How each ranked result was made."""
        out = self.root.resolve().name
        return [provenance_row(name, result, out) for name, result in self.ranked_results]

    @property
    def warnings(self) -> list[str]:
        """The warnings of the first seed of each sampler, each once, with the names of the samplers."""
        names: dict[str, dict[str, None]] = {}
        for run in self.runs:
            for warning in run.results[0].warnings:
                names.setdefault(warning, {})[run.name] = None
        return [f"{', '.join(samplers)}: {warning}" for warning, samplers in names.items()]

    # Charts that compare samplers.

    def forests(self) -> list[NamedChart]:
        """Return a forest plot of each metric of the table."""
        results = {run.name: run.results for run in self.runs}
        charts = []
        for metric, header in zip(self.table.metrics, self.table.headers, strict=True):
            rows = []
            for row in self.table.rows:
                if row.ranked and metric in row.cells:
                    scores = [score for result in results.get(row.name, ()) for score in result.scores]
                    rows.append(ForestRow(row.cells[metric], [s.value for s in scores if s.name == metric]))
            if rows:
                charts.append((header, forest(metric, rows)))
        return charts

    def precision_recall(self) -> Markup | None:
        """Return precision against recall, or their variants with k = 5; None if neither pair was scored."""
        names = list(dict.fromkeys(entry.name for result in self.groups[0] for entry in result.scores))
        for ending in ("", "_k5"):
            # the first extractor that has the metric
            by_metric = {name.partition("@")[0]: name for name in reversed(names)}
            pair = [by_metric[kind + ending] for kind in ("precision", "recall") if kind + ending in by_metric]
            if len(pair) == 2:
                boards = [{row.name: row for row in leaderboard(self.groups[0], name)} for name in pair]
                both = {name: (boards[0][name], boards[1][name]) for name in boards[0] if name in boards[1]}
                return precision_against_recall(both)
        return None

    # Charts of each sampler. ``images`` are the embedded images, data URLs by path.

    def points(self) -> list[NamedChart]:
        """Return a scatter plot of each sampler's points."""
        return [
            (run.name, scatter(run.name, run.gallery.points, run.gallery.reference_points, self._mixture))
            for run in self.runs
            if run.gallery.points
        ]

    def modes(self) -> list[NamedChart]:
        """Return a histogram of modes for each sampler."""
        charts = []
        for run in self.runs:
            counts, reference = run.gallery.modes, run.gallery.reference_modes
            # results from before the galleries contain their own counts
            entry = None if counts else run.entry("modes")
            if entry is not None:
                counts = entry.detail.get("counts_all") or ()
                reference = [1] * len(counts)
            if counts and reference:
                what = "Share of samples in each mode"
                charts.append((run.name, histogram(run.name, _shares(counts), _shares(reference), what=what)))
        return charts

    def marginals(self) -> list[NamedChart]:
        """Return a histogram of the mean prediction p(y) for each sampler."""
        return [
            (run.name, histogram(run.name, _shares(gallery.marginal), _shares(gallery.reference_marginal), what="p(y)"))
            for run in self.runs
            if (gallery := run.gallery).marginal and gallery.reference_marginal
        ]

    def conditionals(self, images: Mapping[Path, str]) -> list[tuple[str, list[tuple[Markup | None, Markup]]]]:
        """Return a few samples of each sampler, each with its prediction p(y|x)."""
        charts = []
        for run in self.runs:
            sheet = self.sheet(run, images)
            samples = []
            for column, probabilities in enumerate(run.gallery.conditionals):
                image = sheet.tile(0, column, f"sample {column + 1} of {run.name}") if sheet else None
                samples.append((image, conditional(probabilities)))
            if samples:
                charts.append((run.name, samples))
        return charts

    @property
    def pictured(self) -> list[SamplerRun]:
        """The ranked samplers that have a sheet of samples and their neighbours."""
        return [run for run in self.runs if run.gallery.picture is not None and run.sheet is not None]

    def strips(self, run: SamplerRun, images: Mapping[Path, str]) -> list[Strip]:
        """Return the groups of a sampler's samples with their neighbours."""
        sheet = self.sheet(run, images)
        if sheet is None:
            return []
        return [
            Strip(GROUP_TITLES[name], sheet.band(index, f"{GROUP_TITLES[name]}, {run.name}"), group.distances)
            for index, (name, group) in enumerate(run.gallery.groups.items())
        ]

    def sheet(self, run: SamplerRun, images: Mapping[Path, str]) -> Sheet | None:
        """Return a sampler's sheet; None if it has no sheet or the page does not embed it."""
        layout = run.gallery.picture
        if layout is None or run.sheet not in images:
            return None
        return Sheet(f"sheet-{self.id}-{self.runs.index(run)}", len(run.gallery.groups), layout)

    def distances_by_count(self) -> list[NamedChart]:
        """Return the Frechet distance against 1/N for each sampler."""
        charts = []
        for run in self.runs:
            distances = run.gallery.by_count
            if distances is not None:
                entry = run.entry(distances.name.partition("@")[0] + "_debiased")
                debiased = (entry.value, entry.error) if entry is not None else None
                charts.append((run.name, distance_by_count(run.name, distances, debiased)))
        return charts

    def curves(self) -> list[tuple[str, list[NamedChart]]]:
        """Return the training curves of each sampler, the validation metric first."""
        charts = []
        for run in self.runs:
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
        for result in self.groups[0]:
            for entry in result.scores:
                toy = parse_specs(entry.extractor)[0].options.get("toy") if "toy=" in entry.extractor else None
                if toy in MIXTURES:
                    return MIXTURES[str(toy)]
        return None


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _curve_title(name: str, run: SamplerRun) -> str:
    """Return the name of a quantity; for the validation metric, how the checkpoint was chosen."""
    training = run.results[0].training
    chosen_by = training.chosen_by if training and name == "validation" else ""
    return chosen_by or name.replace("_", " ")
