"""Warnings about what was left out of a side, and about pixel values."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from genbench.results import SampleSet
from genbench.scoring.side_warnings import note_warnings, side_warnings


def samples(name: str = "out", **fields: object) -> SampleSet:
    return SampleSet(name, 10, "", **fields)  # type: ignore[arg-type]


def test_images_that_were_not_used_are_told() -> None:
    (warning,) = side_warnings(samples(left_out={"gif files": 15, "further frames": 1, "hidden files": 3}), None)
    assert warning == "15 gif files and 1 further frame of out were not used; frames,path=out takes every frame."


def test_one_thing_is_told_in_the_singular() -> None:
    warnings = side_warnings(samples(left_out={"links to files already counted": 1}, skipped=1), samples("real"))
    assert warnings == [
        "1 sample of out could not be decoded and was left out.",
        "1 link to files already counted of out was not used.",
    ]


def test_files_that_are_no_images_are_quiet() -> None:
    assert side_warnings(samples(left_out={"other files": 4, "hidden files": 2, "gif files": 0}), None) == []


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ((0, 1), "go from 0 to 1 of 255, which is nearly black"),
        ((0, 16), "which is nearly black"),
        ((128, 255), "begin at 0"),
        ((0, 64), "end at 255"),
        ((7, 7), "have the value 7 of 255"),
    ],
)
def test_pixel_values_that_cannot_be_right_are_told_with_the_side_and_the_remedy(
    levels: tuple[int, int], told: str
) -> None:
    good = samples("real", levels=(0, 255))
    for pair, role in (((samples(levels=levels), good), "generated"), ((good, samples(levels=levels)), "reference")):
        (warning,) = side_warnings(*pair)
        assert told in warning
        assert f"the {role} samples (out)" in warning
    assert "range=LOW..HIGH" in warning or levels == (7, 7)


@pytest.mark.parametrize("levels", [(0, 255), (0, 200), (30, 255), (0, 130), None])
def test_pixel_values_of_real_images_are_quiet(levels: tuple[int, int] | None) -> None:
    assert side_warnings(samples(levels=levels), samples("real", levels=(0, 255))) == []


def test_both_sides_may_be_bright_or_dark_alike() -> None:
    for levels in ((140, 255), (0, 100)):
        assert side_warnings(samples(levels=levels), samples("real", levels=levels)) == []


def test_the_notes_of_sources_are_told_with_their_names() -> None:
    noted = SimpleNamespace(name="out", notes=("dataset.json has no label for 1 of 2 images, so there are no classes",))
    others = [None, SimpleNamespace(name="x"), SimpleNamespace(name="x", notes="text"), SimpleNamespace(notes=(3,))]
    assert note_warnings([noted, *others]) == [
        "out: dataset.json has no label for 1 of 2 images, so there are no classes."
    ]
