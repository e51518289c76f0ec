"""One benchmark's section of the report: its table, charts and provenance, as the templates need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from genbench.benchmarks import installed_benchmark
from genbench.page.anchors import anchor, anchors
from genbench.page.critic_and_likelihood_tables import CriticRow, LikelihoodRow, critic_rows, likelihood_rows
from genbench.page.headline import headline
from genbench.page.metric_legend import about_scores
from genbench.page.provenance import ProvenanceRow, provenance_row, run_commands, software_versions
from genbench.page.published import PublishedNumbers, published_numbers
from genbench.page.sample_charts import conditional
from genbench.page.section_charts import NamedChart, SectionCharts
from genbench.page.sheet_tiles import Sheet
from genbench.page.trend import trends
from genbench.results import Result
from genbench.runs.reported_sampler import SamplerRun, sampler_runs
from genbench.tables.class_table import ClassTable, class_tables
from genbench.tables.leaderboard_formats import table_html, table_markdown
from genbench.tables.leaderboard_table import Table, by_protocol, tabulated
from genbench.tables.pair_table import PairTable, pair_tables

GROUP_TITLES = {
    "random": "Random samples",
    "typical": "Most typical: nearest to the reference",
    "odd": "Least typical: farthest from the reference",
    "copied": "Most like copies of training samples",
}


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
    over_time: bool = False
    """Whether to show how the main metric changed over time."""

    # What the other parts are made from.

    @cached_property
    def groups(self) -> list[list[Result]]:
        """The results by protocol; only the first group is ranked."""
        # results of another protocol stay in the table, in gray, but in no chart
        return by_protocol(self.results)

    @cached_property
    def table(self) -> Table:
        """The leaderboard of all results."""
        return tabulated(self.results, allow_mixed=True)

    @cached_property
    def runs(self) -> list[SamplerRun]:
        """The ranked samplers, in the order of the table."""
        # a sampler without any metric of the table comes last
        order = {row.name: position for position, row in enumerate(self.table.rows) if row.ranked}
        return sorted(sampler_runs(self.groups[0], self.root), key=lambda run: order.get(run.name, len(order)))

    @property
    def charts(self) -> SectionCharts:
        """The charts that do not need the embedded images."""
        return SectionCharts(self.groups[0], self.table, self.runs)

    @property
    def ranked_results(self) -> list[tuple[str, Result]]:
        """All ranked results, each with the name of its sampler, in the order of the table."""
        return [(run.name, result) for run in self.runs for result in run.results]

    # Text and tables.

    @property
    def id(self) -> str:
        """The name as an anchor on the page."""
        return anchor(self.name)

    def linked(self, part: str, charts: Sequence[NamedChart]) -> list[tuple[str, str, Markup]]:
        """Return the anchor, the title and the drawing of each chart of a part of the section."""
        ids = anchors(f"{self.id}-{part}", [name for name, _ in charts])
        # an anchor, a title and a drawing
        return [(id_, *named) for id_, named in zip(ids, charts, strict=True)]

    @property
    def headline(self) -> str:
        """The answer of the table in one sentence."""
        return headline(self.table)

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Each metric of the table as its header, and what it means."""
        # metrics that are not installed here are left out
        about = about_scores(self.table.metrics)
        return [(header, about[metric]) for metric, header in self.table.named if metric in about]

    @property
    def about(self) -> str:
        """The benchmark's description; empty if it is not installed in this version."""
        recipe = installed_benchmark(self.groups[0][0].benchmark)
        return recipe.about if recipe is not None else ""

    @property
    def leaderboard(self) -> Markup:
        """The table as HTML; each row has an anchor."""
        # one name may have rows of several protocols
        ids = anchors(f"{self.id}-row", [row.name for row in self.table.rows])
        return Markup(table_html(self.table, about=about_scores(self.table.metrics), ids=ids))

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
        # columns of the table and of the published numbers
        columns = [*self.table.metrics, *(self.published.columns if self.published else ())]
        shown = {metric.partition("@")[0] for metric in columns}
        # the expectation depends on the number of samples only; real samples are the most likely to have every score
        real = next((result for result in self.groups[0] if result.name == "real"), self.groups[0][0])
        return {
            entry.name.partition("@")[0]: f"{entry.detail['expected']:.4g}"
            for entry in real.scores
            if entry.name.partition("@")[0] in shown and isinstance(entry.detail.get("expected"), (int, float))
        }

    @property
    def trends(self) -> list[NamedChart]:
        """How the main metric of each sampler changed over time, if this was asked for."""
        if not self.over_time:
            return []
        # older results of a seed are not in the table
        ranked = self.groups[0][0].protocol_fingerprint
        return trends([one for one in self.results if one.protocol_fingerprint == ranked], self.table.sort)

    @property
    def critics(self) -> list[CriticRow]:
        """The critics' estimates of trained models, and the exact values."""
        return critic_rows([result for _, result in self.ranked_results])

    @property
    def likelihoods(self) -> list[LikelihoodRow]:
        """Log-likelihoods of trained models."""
        return likelihood_rows([result for _, result in self.ranked_results])

    @property
    def classes(self) -> list[tuple[str, ClassTable]]:
        """The worst classes of each ranked sampler, first seed, in each score that is computed class by class."""
        return [(run.name, table) for run in self.runs for table in class_tables(run.results[0])]

    @property
    def copies(self) -> list[tuple[str, PairTable]]:
        """The clearest copies of training samples of each ranked sampler, first seed."""
        return [(run.name, table) for run in self.runs for table in pair_tables(run.results[0])]

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
        # a dictionary without values is a set that keeps its order
        names: dict[str, dict[str, None]] = {}
        for run in self.runs:
            for warning in run.results[0].warnings:
                names.setdefault(warning, {})[run.name] = None
        return [f"{', '.join(samplers)}: {warning}" for warning, samplers in names.items()]

    # Parts with images. ``images`` are the embedded images: data URLs by path.

    def conditionals(self, images: Mapping[Path, str]) -> list[tuple[str, list[tuple[Markup | None, Markup]]]]:
        """Return a few samples of each sampler, each with its prediction p(y|x)."""
        charts = []
        for run in self.runs:
            # without a sheet the predictions are shown without their images
            sheet = self.sheet(run, images)
            samples = []
            # the predictions are those of the first group of the sheet
            for column, probabilities in enumerate(run.gallery.conditionals):
                if probabilities:
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
            if group.distances and name in GROUP_TITLES
        ]

    def sheet(self, run: SamplerRun, images: Mapping[Path, str]) -> Sheet | None:
        """Return a sampler's sheet; None if it has no sheet or the page does not embed it."""
        layout = run.gallery.picture
        if layout is None or run.sheet not in images:
            return None
        return Sheet(f"sheet-{self.id}-{self.runs.index(run)}", len(run.gallery.groups), layout)
