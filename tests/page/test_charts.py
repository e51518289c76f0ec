"""Marks of the charts: where they are, in pixels."""

from __future__ import annotations

import math
import re

import pytest

from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.scales import limits_of
from genbench.page.chart_labels import LEADER, labels_beside
from genbench.page.comparison_charts import ForestRow, forest
from genbench.page.sample_charts import highest_bar, histogram
from genbench.page.svg import Scale, x_axis
from genbench.plugs.contracts import Better, Score
from genbench.results import Entry
from tests.helpers.made_results import made

FRAME = (0.0, 0.0, 300.0, 300.0)


def test_zero_has_a_place_of_its_own_before_a_logarithmic_scale() -> None:
    scale = Scale.over([0.0, 0.01, 10.0], 100, 300, log=True)
    assert scale(0.0) == 100
    assert scale(0.01) > scale(1e-9) == 122
    assert "≤ 0" in x_axis(scale, 0, 10)
    assert "≤ 0" not in x_axis(Scale.over([0.01, 10.0], 100, 300, log=True), 0, 10)


def test_a_seed_at_zero_is_not_drawn_at_the_smallest_value() -> None:
    results = [made(name, value, seed=seed, error=None) for name, values in
               (("a", (0.0, 0.2, 0.3)), ("b", (90.0, 95.0, 99.0))) for seed, value in enumerate(values)]  # fmt: skip
    rows = [ForestRow(row, [r["fd@digits"].value for r in results if r.name == row.name])
            for row in leaderboard(results, "fd")]  # fmt: skip
    text = forest("fd", rows)
    seeds = sorted(float(x) for x in re.findall(r'class="seed" cx="([\d.]+)"', text))
    assert seeds[0] + 20 < seeds[1]
    assert "≤ 0" in text


def test_no_mark_passes_the_highest_possible_value() -> None:
    extra = [Score("precision", value, 0.2, "higher") for value in (0.4, 1.0, 1.0)]
    results = [made("gan", 1.0, seed=seed, extra=(score,)) for seed, score in enumerate(extra)]
    (row,) = leaderboard(results, "precision")
    assert row.mean + (row.spread or 0) > 1
    values = [score.value for score in extra]
    drawn = forest("precision", [ForestRow(row, values)], limits_of([r["precision@digits"] for r in results]))
    # the seeds at 1 are the rightmost marks: the line and the box end there
    highest = max(float(x) for x in re.findall(r'class="seed" cx="([\d.]+)"', drawn))
    lines = [float(x) for x in re.findall(r'class="spread" d="M[\d.]+ [\d.]+L([\d.]+) ', drawn)]
    boxes = re.findall(r'class="sampling" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn)
    ends = [float(left) + float(width) for left, width in boxes]
    assert max([*lines, *ends]) <= highest + 0.2


@pytest.mark.parametrize(
    ("name", "values", "detail", "expected"),
    [
        ("precision", (0.1, 0.9), {}, (0, 1)),
        ("modes", (3.0, 7.0), {"total": 8}, (0, 8)),
        ("fid", (3.0, 7.0), {}, (0, math.inf)),
        ("fid_debiased", (-0.1, 7.0), {}, (-math.inf, math.inf)),
        ("precision", (0.1, 1.5), {}, (0, 1.5)),
    ],
)
def test_the_limits_of_a_score(
    name: str, values: tuple[float, ...], detail: dict[str, int], expected: tuple[float, float]
) -> None:
    better: Better = "lower" if name.startswith("fid") else "higher"
    assert (
        limits_of([Entry(f"{name}@digits", name, value, None, better, "digits", detail) for value in values])
        == expected
    )


def test_labels_stand_beside_their_points_or_are_joined_to_them() -> None:
    # many points at nearly one place
    points = {f"model-{index}": (100.0 + index % 3, 100.0 + index // 3) for index in range(12)}
    drawn = "".join(labels_beside(points, FRAME))
    places = {
        name: (float(x), float(y)) for x, y, name in re.findall(r'x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', drawn)
    }
    leaders = {(float(x), float(y)) for x, y in re.findall(r'class="leader" d="M([\d.]+) ([\d.]+)L', drawn)}
    for name, (x, y) in points.items():
        left, bottom = places[name]
        away = math.hypot(max(left - x, 0, x - left - 5.8 * len(name)), max(bottom - 9 - y, 0, y - bottom - 2))
        assert away <= LEADER + 0.2 or (x, y) in leaders, name
    # no two labels overlap
    for one, (x, y) in places.items():
        for other, (u, v) in places.items():
            assert one == other or abs(y - v) >= 10.9 or abs(x - u) >= 5.8 * min(len(one), len(other)) - 0.2


def test_lonely_labels_stand_at_the_right_of_their_points() -> None:
    (label,) = labels_beside({"real": (100.0, 100.0)}, FRAME)
    assert 'x="107"' in label


def test_histograms_share_a_scale_that_one_collapsed_sampler_does_not_stretch() -> None:
    even, collapsed = [0.25] * 4, [1.0, 0, 0, 0]
    assert highest_bar([even, [0.4, 0.2, 0.2, 0.2]], [even, even]) == 0.4
    many = [0.1] * 10
    assert highest_bar([many, [1.0] + [0] * 9], [many, many]) == pytest.approx(0.4)
    assert ">1</text>" in histogram("gan", collapsed, even, what="Share", top=0.5)
