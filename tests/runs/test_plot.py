"""genbench.plot draws into matplotlib axes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import genbench
from genbench.errors import InputError
from tests.helpers.compared import repeated, valued
from tests.helpers.made_results import with_panel

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_a_forest_has_one_row_per_sampler_and_the_best_at_the_top() -> None:
    ax = genbench.plot.forest([*repeated("a", [1.0, 1.2]), *repeated("b", [9.0, 9.2])], "fd")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.yaxis_inverted()
    # seeds, interval and mean of each sampler
    seeds, _, mean = ax.lines[:3]
    assert list(seeds.get_xdata()) == [1.0, 1.2]
    assert list(mean.get_xdata()) == [pytest.approx(1.1)]


def test_a_chart_is_drawn_into_the_given_axes() -> None:
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert genbench.plot.forest([valued("a", 1.0)], "fd", ax=ax) is ax


def test_the_encoder_that_a_sampler_is_optimised_for_has_another_colour() -> None:
    ax = genbench.plot.ratios(with_panel(valued("a", 1.0), [0.1, 3.0, 3.0]))
    dots = ax.collections[-1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second", "third"]
    assert dots.get_offsets()[:, 0].tolist() == [0.1, 3.0, 3.0]
    colours = dots.get_facecolors()
    assert (colours[0] != colours[1]).any()
    assert (colours[1] == colours[2]).all()


def test_a_result_without_a_panel_or_modes_is_refused() -> None:
    with pytest.raises(InputError, match="no panel"):
        genbench.plot.ratios(valued("a", 1.0))
    with pytest.raises(InputError, match="no counts of modes"):
        genbench.plot.mode_histogram(valued("a", 1.0))


def test_the_modes_are_shares() -> None:
    result = genbench.score(
        "digits,split=train", reference="digits,split=test", features="digits", metrics="modes", progress=False
    )
    ax = genbench.plot.mode_histogram(result)
    assert len(ax.patches) == 10
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)


def test_the_curves_of_a_training_have_a_line_at_the_chosen_step() -> None:
    folder = Path(__file__).parents[2] / "reports" / "digits" / "vae" / "seed-0"
    panels = genbench.plot.curves(folder)
    assert [panel.get_title() for panel in panels][-1] == "validation"
    assert all(len(panel.lines) == 2 for panel in panels)


def test_another_file_is_not_called_a_damaged_history(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    valued("a", 1.0).append(path)
    with pytest.raises(InputError, match=r"is no history.jsonl of a training; give such a file"):
        genbench.plot.curves(path)


def test_names_are_no_mathematics() -> None:
    ax = genbench.plot.forest([valued(r"cost $\foo$", 1.0)], "fd")
    assert ax.figure is not None
    ax.figure.canvas.draw()


def test_a_gallery_is_one_picture() -> None:
    images = np.zeros((5, 8, 8, 3), np.uint8)
    (picture,) = genbench.plot.gallery(images, columns=3).images
    assert picture.get_array().shape == (2 * 9 + 1, 3 * 9 + 1, 3)
    with pytest.raises(InputError, match="at least one column"):
        genbench.plot.gallery(images, columns=-2)
    with pytest.raises(InputError, match="float64"):
        genbench.plot.gallery(np.zeros((5, 8, 8, 3)))
