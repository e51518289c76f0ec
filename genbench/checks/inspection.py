"""The input doctor: what lies in a folder, archive or data set, and what about it would spoil a score."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genbench.arrays import Array
from genbench.errors import InputError, UsageError
from genbench.plugs.contracts import Source
from genbench.plugs.opening import open_subject

if TYPE_CHECKING:
    import torch

NAMED = 20
"""How many files a line names before it only counts."""

FINE_DETAIL = 0.05
"""``fine_detail`` below which a picture has been enlarged or blurred.

Measured on 400 CIFAR-10 pictures saved as JPEG: 10 % of them are below; enlarged 2, 4, 7 or 9 times, bicubic or
bilinear, 97 % and more. On crops of 64 to 256 pixels of scikit-learn's two photographs: 0 to 7 % below; enlarged
twice 56 to 76 %, the others being mostly sky, which has no detail to lose.
"""

ABOVE_ROUNDING = 100
"""How many times the power of rounding to 8 bits an octave must have to be compared with."""

SINGULAR_BELOW = 2048
"""Inception's dimensions: with fewer samples the covariance of FID is singular."""


@dataclass(frozen=True)
class Inspection:
    """What was found. Counts are of images unless they say otherwise."""

    name: str
    count: int
    formats: dict[str, int]
    sizes: dict[str, int]
    """``"WIDTHxHEIGHT"`` to how many."""
    modes: dict[str, int]
    """Pillow's mode (``L``, ``RGB``, ``RGBA``, ``P``, ``I;16`` ...) to how many, for encoded images."""
    classes: dict[str, int]
    ignored: dict[str, int]
    """Files that are no images, by extension."""
    corrupt: tuple[str, ...]
    """Each file that cannot be decoded, with the reason."""
    grayscale: int
    enlarged: int
    rotated: int
    """Images with an EXIF orientation, which is not applied."""
    animated: int
    duplicates: tuple[tuple[str, ...], ...]
    """Groups of images that have the same pixels."""
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Return one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def to_text(self) -> str:
        """Return a short report for people."""
        lines = [f"{self.name}: {_many(self.count, 'sample')}"]
        for title in ("formats", "sizes", "modes", "classes", "ignored"):
            found: dict[str, int] = getattr(self, title)
            if found:
                lines.append(f"  {title:<9} {_counts(found)}")
        lines += [f"  the same  {_some(group, 4)}" for group in self.duplicates[:NAMED]]
        if len(self.duplicates) > NAMED:
            lines.append(f"  the same  and {len(self.duplicates) - NAMED:,} groups more")
        lines += [f"  corrupt   {name}" for name in self.corrupt]
        lines += [f"  note      {note}" for note in self.notes] or ["  nothing that would spoil a score"]
        return "\n".join(lines)


def inspect_samples(subject: str) -> Inspection:
    """Look over every sample of a path or data set. Raises InputError where there is none."""
    source = open_subject(subject, ("sources", "samplers"))
    if not isinstance(source, Source):
        raise UsageError(f"{subject!r} is a sampler; inspect looks at samples that lie somewhere.")
    looks = [look for look in _looks(source) if look is not None]
    seen = [look for look in looks if not look.reason]
    groups: dict[str, list[str]] = {}
    for look in seen:
        groups.setdefault(look.content, []).append(look.place)
    found = Inspection(
        name=source.name,
        count=len(source),
        formats=_tally(look.format for look in looks),
        sizes=_tally(look.size for look in seen),
        modes=_tally(look.mode for look in looks),
        classes=_classes(source),
        ignored=dict(getattr(source, "ignored", {})),
        corrupt=tuple(f"{look.place} ({look.reason})" for look in looks if look.reason),
        grayscale=sum(look.grayscale for look in seen),
        enlarged=sum(look.enlarged for look in seen),
        rotated=sum(look.rotated for look in looks),
        animated=sum(look.animated for look in looks),
        duplicates=tuple(tuple(group) for group in groups.values() if len(group) > 1),
        notes=(),
    )
    return Inspection(**{**_fields(found), "notes": tuple(_notes(found))})


class _Look(NamedTuple):
    """One sample looked at."""

    place: str
    reason: str = ""
    """Why it cannot be decoded."""
    format: str = ""
    mode: str = ""
    size: str = ""
    content: str = ""
    grayscale: bool = False
    enlarged: bool = False
    rotated: bool = False
    animated: bool = False


def _looks(source: Source) -> Iterator[_Look]:
    from tqdm import tqdm

    with tqdm(total=len(source), desc=f"inspect {source.name}", unit="sample", disable=None, leave=False) as bar:
        if hasattr(source, "read") and hasattr(source, "load") and hasattr(source, "place"):
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                for look in pool.map(lambda row: _encoded(source, row), range(len(source))):
                    bar.update()
                    yield look
            return
        for batch in source.batches(256):
            for index, sample in zip(batch.index.tolist(), batch.data, strict=True):
                bar.update()
                yield _decoded(_Look(f"{source.name}[{index}]"), sample)


def _encoded(source: Any, row: int) -> _Look:
    """Look at one encoded image: its header by Pillow, its pixels as a score would see them."""
    from PIL import ExifTags, Image

    look = _Look(source.place(row))
    try:
        with Image.open(io.BytesIO(source.read(row))) as image:
            look = look._replace(
                format=image.format or "",
                mode=image.mode,
                rotated=image.getexif().get(ExifTags.Base.Orientation, 1) != 1,
                animated=getattr(image, "n_frames", 1) > 1,
            )
    except Exception:  # what is wrong with it is said below, by the same decoder that a score uses
        look = look._replace(format="")
    try:
        return _decoded(look, source.load(row)[0])
    except InputError as error:
        return look._replace(reason=str(error))


def _decoded(look: _Look, sample: torch.Tensor) -> _Look:
    values = sample.numpy()
    content = hashlib.sha256(f"{values.shape}".encode() + values.tobytes()).hexdigest()[:32]
    if values.ndim != 3:
        return look._replace(content=content, size=f"{values.size} values")
    gray = bool((values[0] == values[1]).all() and (values[1] == values[2]).all())
    return look._replace(
        content=content,
        size=f"{values.shape[2]}x{values.shape[1]}",
        grayscale=gray,
        enlarged=min(values.shape[1:]) >= 32 and 0 <= fine_detail(values.mean(axis=0)) < FINE_DETAIL,
    )


def fine_detail(gray: Array) -> float:
    """Return the power of a picture's finest detail over that of an octave, [H, W] in 0..255; -1 where it has none.

    Natural pictures have about as much in each octave at any resolution (power falls as 1/f^2); enlarging leaves the
    finest empty. The octave is the finest below half of the highest frequency that stands out of the rounding to 8
    bits, so that a picture enlarged many times is found, too.
    """
    window = np.outer(np.hanning(gray.shape[0]), np.hanning(gray.shape[1]))  # so that the edges make no detail
    power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2
    rows, columns = (np.abs(np.fft.fftfreq(side)) for side in gray.shape)
    frequency = np.maximum(rows[:, None], columns[None, :])
    rounding = (window**2).sum() / 12  # the variance of rounding is 1/12
    top = 0.25
    while top * min(gray.shape) >= 4:
        octave = power[(frequency > top / 2) & (frequency <= top)]
        if octave.mean() >= ABOVE_ROUNDING * rounding:
            return float(power[frequency > 0.35].sum() / octave.sum())  # below .35 interpolation leaves something
        top /= 2
    return -1.0


def _notes(found: Inspection) -> Iterator[str]:
    images = found.count - len(found.corrupt)
    checks: list[tuple[bool, Callable[[], str]]] = [
        (bool(found.corrupt), lambda: f"{_many(len(found.corrupt))} cannot be decoded: mend, or use --skip-corrupt."),
        (len(found.sizes) > 1, lambda: f"{len(found.sizes)} sizes: each image is resized by itself."),
        (
            "JPEG" in found.formats,
            lambda: (
                f"{_many(found.formats['JPEG'], 'JPEG file')}: compression alone moves FID by points; "
                "compare with a reference that was saved the same way."
            ),
        ),
        (
            found.enlarged > 0.5 * images > 0,
            lambda: (
                f"{found.enlarged:,} of {images:,} without fine detail: enlarged or blurred before they were saved?"
            ),
        ),
        (
            0 < found.grayscale < images,
            lambda: f"{found.grayscale:,} of {images:,} {_verb(found.grayscale)} gray among coloured ones.",
        ),
        (
            found.grayscale == images > 0,
            lambda: (
                "all are gray: networks trained on photographs see little in them; try the extractors digits, "
                "mnist or pixels."
            ),
        ),
        (found.rotated > 0, lambda: f"{_many(found.rotated)} with an EXIF rotation, which is not applied."),
        (found.animated > 0, lambda: f"{_many(found.animated)} with several frames: the first one counts."),
        (
            any(mode in found.modes for mode in ("RGBA", "LA", "PA")),
            lambda: "transparency is dropped, not composed with a background.",
        ),
        (
            bool(found.duplicates),
            lambda: (
                f"{_many(sum(len(group) - 1 for group in found.duplicates), 'exact duplicate')} in "
                f"{_many(len(found.duplicates), 'group')}: they narrow the radii of precision and recall."
            ),
        ),
        (
            any("x" in size for size in found.sizes) and images < SINGULAR_BELOW,
            lambda: f"fewer images than Inception's {SINGULAR_BELOW:,} dimensions: FID would be far too high.",
        ),
    ]
    return (say() for true, say in checks if true)


def _classes(source: Source) -> dict[str, int]:
    labels = getattr(source, "labels", None)
    if labels is None:
        return {}
    names = getattr(source, "classes", ()) or ()
    numbers, counts = np.unique(np.asarray(labels), return_counts=True)
    return {
        str(names[number]) if number < len(names) else str(number): int(count)
        for number, count in zip(numbers.tolist(), counts, strict=True)
    }


def _fields(found: Inspection) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Inspection.__dataclass_fields__}


def _tally(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(word for word in words if word).most_common())


def _counts(found: dict[str, int]) -> str:
    return _some([f"{name} {count:,}" for name, count in found.items()], NAMED)


def _some(words: Sequence[str], most: int) -> str:
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _many(count: int, thing: str = "image") -> str:
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"


def _verb(count: int) -> str:
    return "is" if count == 1 else "are"
