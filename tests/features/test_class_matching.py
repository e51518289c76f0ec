"""Classes of two sides: matched by name, or by number where there are no names."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.errors import InputError
from genbench.features.class_matching import Classes, match_classes


def classes(*label: int, names: tuple[str, ...] | None = None, count: int | None = None) -> Classes:
    return Classes("a side", np.array(label), names, count)


def test_names_decide_and_not_their_order() -> None:
    matched = match_classes(classes(0, 1, names=("cat", "dog")), classes(0, 1, 2, names=("ant", "dog", "cat")))
    assert matched.names == ("cat", "dog")
    assert matched.label.tolist() == [0, 1]
    assert matched.other_label.tolist() == [-1, 1, 0]
    assert (matched.unmatched, matched.other_unmatched) == ((), ("ant",))


def test_names_that_are_numbers_match_by_their_value() -> None:
    matched = match_classes(classes(0, 1, names=("03", "7")), classes(7, 3))
    assert (matched.label.tolist(), matched.other_label.tolist()) == ([0, 1], [1, 0])


def test_a_sampler_without_names_has_the_classes_of_the_other_side_in_their_order() -> None:
    for names in (("cat", "dog", "eel"), ("1", "2", "3")):
        matched = match_classes(classes(0, 1, 2), classes(2, 1, 0, names=names))
        assert matched.names == names
        assert matched.other_label.tolist() == [2, 1, 0]


def test_classes_called_0_1_2_count_as_classes_without_names() -> None:
    matched = match_classes(classes(0, 1, names=("0", "1")), classes(1, 0, names=("cat", "dog")))
    assert matched.names == ("cat", "dog")
    assert matched.other_label.tolist() == [1, 0]


def test_numbers_that_are_the_names_of_the_other_side_mean_these_names() -> None:
    matched = match_classes(classes(3, 7), classes(0, 1, names=("3", "7")))
    assert matched.other_label.tolist() == matched.label.tolist() == [0, 1]


def test_words_and_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"\('cat', 'dog'\) are not those of a side \('0', '1'\)"):
        match_classes(classes(0, 1, names=("cat", "dog")), classes(0, 1))


def test_a_label_beyond_the_number_of_classes_is_not_matched() -> None:
    matched = match_classes(classes(0, 1, 12), classes(0, 1, count=10))
    assert matched.label.tolist() == [0, 1, -1]
    assert matched.unmatched == ("12",)


def test_two_classes_of_one_name_are_refused() -> None:
    for names in (("3", "03"), ("cat", "cat")):
        with pytest.raises(InputError, match=f"The classes '{names[0]}' and '{names[1]}' of a side have one name"):
            match_classes(classes(0, 1, names=names), classes(3, 4))
