"""Sentences about the exceptions of guests."""

from __future__ import annotations

import pytest

from genbench import score
from genbench.errors import PlugError, described, guest_error


class Silent(Exception):
    """An exception whose text cannot be computed."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_exception_whose_text_raises_is_named_by_its_type() -> None:
    assert str(guest_error("The sampler 'x'", Silent())) == (
        "The sampler 'x' raised Silent; correct it there and run again."
    )


def test_the_text_of_an_exception_is_one_line() -> None:
    assert described(ValueError("shape\n  mismatch")) == "ValueError: shape mismatch"
    assert described(ValueError()) == "ValueError"


def test_a_call_that_does_not_fit_a_guest_is_not_blamed_on_a_line_of_genbench() -> None:
    class Mean:
        name = identity = "mean"

        def __call__(self) -> None: ...

    with pytest.raises(PlugError, match=r"raised TypeError: .* when it was called; give it") as caught:
        score("digits", reference="digits", features=Mean(), metrics="fd", cache=False, progress=False)
    assert ".py" not in str(caught.value)
