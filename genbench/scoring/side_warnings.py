"""Warnings about the samples of the two sides: what was left out, and pixel values that cannot be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from genbench.errors import number_of
from genbench.results import SampleSet
from genbench.scoring.sides import Side

QUIET = frozenset({"other files", "hidden files"})
"""What was left out and is no image: it stays in the record only."""

NEAR_BLACK = 16
"""Highest value (0..255) of images that are nearly black, such as 12-bit values in 16-bit files."""

MIDDLE = 127
"""The values of one side all lie above, or all below: 0..1 was declared as -1..1, for example."""


def side_warnings(
    generated: SampleSet, reference: SampleSet | None, further: Mapping[Side, SampleSet] | None = None
) -> list[str]:
    """Return one sentence about each thing that may be wrong with the samples of a side."""
    both = [("generated", generated), *([("reference", reference)] if reference is not None else [])]
    # samples that are missing
    warnings = []
    for _, samples in [*both, *(further or {}).items()]:
        if samples.skipped:
            were = "was" if samples.skipped == 1 else "were"
            warnings.append(
                f"{number_of(samples.skipped, 'samples')} of {samples.name} could not be decoded and {were} left out."
            )
        warnings += _ignored(samples.name, samples.left_out)
    # the levels of one side are judged beside those of the other
    for role, samples in both:
        others = [other.levels for other_role, other in both if other_role != role and other.levels]
        warnings += _level_warnings(role, samples, others[0] if others else None)
    return warnings


def note_warnings(sources: Iterable[object]) -> list[str]:
    """Return the ``notes`` of sources, such as that a ``dataset.json`` lacks labels, with the names of the sources."""
    warnings = []
    for source in sources:
        # the attribute is optional, and a guest may use its name for something else
        notes, name = getattr(source, "notes", ()), getattr(source, "name", "")
        if isinstance(notes, (tuple, list)):
            warnings += [f"{name}: {note.rstrip('.')}." for note in notes if isinstance(note, str)]
    return warnings


def _ignored(name: str, left_out: Mapping[str, int]) -> Iterator[str]:
    # things that are no images are quiet
    counts = {thing: count for thing, count in left_out.items() if count and thing not in QUIET}
    if counts:
        things = [number_of(count, thing) for thing, count in counts.items()]
        listed = " and ".join(filter(None, [", ".join(things[:-1]), things[-1]]))
        were = "was" if list(counts.values()) == [1] else "were"
        hint = f"; frames,path={name} takes every frame" if "further frames" in counts else ""
        yield f"{listed} of {name} {were} not used{hint}."


def _level_warnings(role: str, samples: SampleSet, other: tuple[int, int] | None) -> Iterator[str]:
    # points have no levels
    if samples.levels is None:
        return
    low, high = samples.levels
    who = f"the {role} samples ({samples.name})"
    values = f"the pixel values of {who} go from {low} to {high} of 255"
    remedy = (
        "if they are numbers of another range, scale them to 0..255, or give an array its range with "
        "FILE.npy,range=LOW..HIGH."
    )
    # blank images, then images that are too dark in any case, then those that are unlike the other side
    if low == high:
        yield f"all pixels of {who} have the value {low} of 255; check how they were written."
    elif high <= NEAR_BLACK:
        yield f"{values}, which is nearly black: {remedy}"
    elif other is not None and low >= MIDDLE > other[0]:
        yield f"{values}, but those of the other side begin at {other[0]}: {remedy}"
    elif other is not None and high <= MIDDLE and other[1] > 2 * high:
        yield f"{values}, but those of the other side end at {other[1]}: {remedy}"
