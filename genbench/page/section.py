"""One benchmark's part of the report: its table, its charts and its provenance, ready for the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from genbench.benchmarks import installed_benchmark
from genbench.page import charts, provenance
from genbench.page import sample_charts as samples
from genbench.page import training_tables as claimed
from genbench.page.published import Published, published
from genbench.plugs.specs import parse_specs
from genbench.results import Result
from genbench.runs.folder import Exhibit, exhibits
from genbench.tables.formats import table_html, table_markdown
from genbench.tables.leaderboard_table import Table, by_protocol, tabulated
from genbench.theory.mixtures import MIXTURES, Mixture

GROUPS = {
    "random": "Drawn at random",
    "typical": "Most typical: nearest to a reference sample",
    "odd": "Least typical: farthest from every reference sample",
}


class Strip(NamedTuple):
    """A group of samples, each above its nearest neighbours."""

    title: str
    picture: Markup
    distances: Sequence[float]


@dataclass(frozen=True)
class Section:
    """What the report says of one file of results."""

    name: str
    """The file's, without its ending."""
    results: tuple[Result, ...]
    root: Path

    @cached_property
    def groups(self) -> list[list[Result]]:
        """The results by protocol; the first group is ranked."""
        return by_protocol(self.results)

    @cached_property
    def table(self) -> Table:
        return tabulated(self.results, allow_mixed=True)

    @cached_property
    def exhibits(self) -> list[Exhibit]:
        """The ranked samplers, in the order of the table."""
        order = {row.name: at for at, row in enumerate(self.table.rows) if row.ranked}
        return sorted(exhibits(self.groups[0], self.root), key=lambda one: order.get(one.name, len(order)))

    @property
    def id(self) -> str:
        """The name as an anchor on the page."""
        return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in self.name)

    @property
    def pictured(self) -> list[Exhibit]:
        """The ranked samplers that have a picture of samples and their neighbours."""
        return [one for one in self.exhibits if one.gallery.get("picture") and one.picture is not None]

    @property
    def about(self) -> str:
        recipe = installed_benchmark(self.groups[0][0].benchmark)
        return recipe.about if recipe is not None else ""

    @property
    def leaderboard(self) -> Markup:
        return Markup(table_html(self.table))

    @property
    def markdown(self) -> str:
        return table_markdown(self.table)

    @property
    def published(self) -> Published | None:
        return published((self.table.benchmark or self.name).partition("@")[0])

    @property
    def perfect(self) -> dict[str, str]:
        """What a perfect sampler would score on average at this count, by short name, where that is known."""
        shown = [*self.table.metrics, *(self.published.columns if self.published else ())]
        wanted = {metric.partition("@")[0] for metric in shown}
        real = next((one for one in self.groups[0] if one.name == "real"), self.groups[0][0])
        return {
            entry.name.partition("@")[0]: f"{entry.detail['expected']:.4g}"
            for entry in real.scores
            if entry.name.partition("@")[0] in wanted and isinstance(entry.detail.get("expected"), (int, float))
        }

    @property
    def critics(self) -> list[claimed.Critic]:
        """What the critics of trained models claim, beside the truth."""
        return claimed.critics([result for one in self.exhibits for result in one.results])

    @property
    def likelihoods(self) -> list[claimed.Likelihood]:
        """The bounds of trained models' log-likelihoods."""
        return claimed.likelihoods([result for one in self.exhibits for result in one.results])

    @property
    def commands(self) -> list[str]:
        return provenance.run_commands(self.groups[0], self.root.resolve().name)

    @property
    def protocol(self) -> dict[str, str]:
        return self.groups[0][0].protocol

    @property
    def versions(self) -> str:
        return provenance.versions(self.groups[0])

    @property
    def records(self) -> list[provenance.Record]:
        """What every ranked number was made of."""
        out = self.root.resolve().name
        return [provenance.record(one.name, result, out) for one in self.exhibits for result in one.results]

    @property
    def warnings(self) -> list[str]:
        """What the first seed of each sampler warns of, each once, with the samplers that it concerns."""
        found: dict[str, dict[str, None]] = {}
        for one in self.exhibits:
            for warning in one.results[0].warnings:
                found.setdefault(warning, {})[one.name] = None
        return [f"{', '.join(names)}: {warning}" for warning, names in found.items()]

    def forests(self) -> list[tuple[str, Markup]]:
        """Return a forest plot of each metric of the table."""
        ranked = [row for row in self.table.rows if row.ranked]
        values = {one.name: one.results for one in self.exhibits}
        found = []
        for metric, header in zip(self.table.metrics, self.table.headers, strict=True):
            rows = []
            for row in ranked:
                if metric in row.cells:
                    scores = [score for one in values.get(row.name, ()) for score in one.scores]
                    own = [score.value for score in scores if score.name == metric]
                    rows.append(charts.Measured(row.cells[metric], own))
            if rows:
                found.append((header, charts.forest(metric, rows)))
        return found

    def precision_recall(self) -> Markup | None:
        """Return precision against recall, of the first pair of these that was scored."""
        from genbench.comparison.leaderboard import leaderboard

        names = list(dict.fromkeys(entry.name for result in self.groups[0] for entry in result.scores))
        for ending in ("", "_k5"):
            pair = [next((name for name in names if name.partition("@")[0] == kind + ending), None)
                    for kind in ("precision", "recall")]  # fmt: skip
            if pair[0] is not None and pair[1] is not None:
                boards = [{row.name: row for row in leaderboard(self.groups[0], name)} for name in pair if name]
                rows = {name: (boards[0][name], boards[1][name]) for name in boards[0] if name in boards[1]}
                return charts.precision_recall(rows)
        return None

    def points(self) -> list[tuple[str, Markup]]:
        """Return a scatter of each sampler's points."""
        return [
            (one.name, samples.scatter(one.name, one.gallery["points"], one.gallery["reference_points"], self._mixture))
            for one in self.exhibits
            if one.gallery.get("points")
        ]

    def histograms(self, kind: str) -> list[tuple[str, Markup]]:
        """Return shares of ``modes``, or of the predictions' ``marginal``, beside the reference's."""
        what = {"modes": "Share of samples in each mode", "marginal": "p(y)"}[kind]
        found = []
        for one in self.exhibits:
            counts, reference = one.gallery.get(kind), one.gallery.get(f"reference_{kind}")
            entry = one.entry("modes") if kind == "modes" and not counts else None
            if entry is not None:  # a result of before the galleries knows its own counts
                counts = entry.detail.get("counts_all")
                reference = [1] * len(counts or ())
            if counts and reference:
                shares, theirs = ([value / (sum(side) or 1) for value in side] for side in (counts, reference))
                found.append((one.name, samples.histogram(one.name, shares, theirs, what=what)))
        return found

    def conditionals(self, shown: Mapping[Path, str]) -> list[tuple[str, list[tuple[Markup | None, Markup]]]]:
        """Return a few samples of each sampler, each with its p(y|x)."""
        found = []
        for one in self.exhibits:
            charted = []
            for column, probabilities in enumerate(one.gallery.get("conditionals", ())):
                lie = self.sheet(one, shown)
                image = lie.tile(0, column, f"sample {column + 1} of {one.name}") if lie else None
                charted.append((image, samples.conditional(probabilities)))
            if charted:
                found.append((one.name, charted))
        return found

    def strips(self, one: Exhibit, shown: Mapping[Path, str]) -> list[Strip]:
        """Return a sampler's random, most and least typical samples with their neighbours."""
        lie = self.sheet(one, shown)
        if lie is None:
            return []
        return [
            Strip(GROUPS[kind], lie.band(at, f"{GROUPS[kind]}, {one.name}"), group["distance"])
            for at, (kind, group) in enumerate(one.gallery["groups"].items())
        ]

    def by_count(self) -> list[tuple[str, Markup]]:
        """Return each sampler's Frechet distance against 1/N."""
        found = []
        for one in self.exhibits:
            about = one.gallery.get("by_count")
            if about:
                debiased = one.entry(about["name"].partition("@")[0] + "_debiased")
                pair = (debiased.value, debiased.error) if debiased is not None else None
                found.append((one.name, samples.by_count(one.name, about["name"], about["rows"], pair)))
        return found

    def curves(self) -> list[tuple[str, list[tuple[str, Markup]]]]:
        """Return what was watched in each sampler's training, the validation metric first."""
        found = []
        for one in self.exhibits:
            entries: list[Mapping[str, Any]] = [entry for history in one.histories.values() for entry in history]
            names = [name for name in dict.fromkeys(key for entry in entries for key in entry) if _is_watched(name)]
            names.sort(key=lambda name: name != "validation")
            if names:
                drawn = [(_title(name, one), charts.curves(one.name, name, one.histories, one.chosen))
                         for name in names]  # fmt: skip
                found.append((one.name, drawn))
        return found

    def sheet(self, one: Exhibit, shown: Mapping[Path, str]) -> Sheet | None:
        """Return how a sampler's picture lies, where it has one and the page holds it."""
        about = one.gallery.get("picture")
        if not about or one.picture not in shown:
            return None
        lie = [about[key] for key in ("columns", "width", "height", "line")]
        return Sheet(
            f"sheet-{self.id}-{self.exhibits.index(one)}", len(one.gallery["groups"]), len(about["lines"]), *lie
        )

    @property
    def _mixture(self) -> Mixture | None:
        for result in self.groups[0]:
            for entry in result.scores:
                toy = parse_specs(entry.extractor)[0].options.get("toy") if "toy=" in entry.extractor else None
                if toy in MIXTURES:
                    return MIXTURES[str(toy)]
        return None


class Sheet(NamedTuple):
    """Where the tiles of a sampler's picture lie: groups of lines of columns."""

    id: str
    groups: int
    lines: int
    columns: int
    width: int
    height: int
    line: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture."""
        rows = self.groups * self.lines
        return self.columns * (self.width + self.line) + self.line, rows * (self.height + self.line) + self.line

    def tile(self, row: int, column: int, label: str) -> Markup:
        x, y = column * (self.width + self.line) + self.line, row * (self.height + self.line) + self.line
        return samples.crop(self.id, x, y, self.width, self.height, label=label, css="tile")

    def band(self, group: int, label: str) -> Markup:
        top = group * self.lines * (self.height + self.line)
        height = self.lines * (self.height + self.line) + self.line
        return samples.crop(self.id, 0, top, self.size[0], height, label=label, css="band")


def _is_watched(name: str) -> bool:
    return name not in ("step", "kept", "seconds") and not name.startswith("floor_")


def _title(name: str, one: Exhibit) -> str:
    training = one.results[0].training
    chosen_by = training.chosen_by if training and name == "validation" else ""
    return chosen_by or name.replace("_", " ")
