"""Sentences about the exceptions of guests."""

from __future__ import annotations

from genbench.errors import described, guest_error


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
