"""Inspect the samples in a folder, archive or data set, and report what would distort a score."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from genbench.array_types import Array
from genbench.checks.inspected_source import open_inspected
from genbench.errors import InputError
from genbench.plugs.contract_checks import read_batches
from genbench.plugs.contracts import Source

MOST_LISTED = 20
"""Number of entries that a line lists before it only counts them."""

FINE_DETAIL = 0.05
"""``fine_detail`` below which an image has been enlarged or blurred.

Measured on 400 CIFAR-10 images saved as JPEG: 10 % of them are below; enlarged 2, 4, 7 or 9 times, bicubic or
bilinear, 97 % and more. On crops of 64 to 256 pixels of scikit-learn's two photographs: 0 to 7 % are below; enlarged
twice, 56 to 76 %, and the others are mostly sky, which has no detail to lose.
"""

ABOVE_ROUNDING = 100
"""The power of an octave must exceed that of rounding to 8 bits by this factor."""

SINGULAR_BELOW = 2048
"""Dimensions of Inception's embedding: with fewer samples, the covariance of FID is singular."""


@dataclass(frozen=True)
class Inspection:
    """The report of an inspection. Counts are numbers of images unless stated otherwise."""

    name: str
    count: int
    """Number of samples."""
    formats: dict[str, int]
    sizes: dict[str, int]
    """Count by ``"WIDTHxHEIGHT"``."""
    modes: dict[str, int]
    """Count by Pillow's mode (``L``, ``RGB``, ``RGBA``, ``P``, ``I;16`` ...), for encoded images."""
    classes: dict[str, int]
    ignored: dict[str, int]
    """Count of other files by extension."""
    corrupt: tuple[str, ...]
    """Each file that cannot be decoded, with the reason."""
    grayscale: int
    enlarged: int
    rotated: int
    """Images with an EXIF orientation, which is not applied."""
    animated: int
    duplicates: tuple[tuple[str, ...], ...]
    """Groups of images with equal pixels."""
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Return one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def to_text(self) -> str:
        """Return a short report for people."""
        lines = [f"{self.name}: {_many(self.count, 'sample')}"]
        # one line per property that occurs
        for title in ("formats", "sizes", "modes", "classes", "ignored"):
            counts: dict[str, int] = getattr(self, title)
            if counts:
                entries = [f"{name} {count:,}" for name, count in counts.items()]
                lines.append(f"  {title:<9} {_shortened(entries, MOST_LISTED)}")
        # long lists of duplicates are shortened, corrupt files are all named
        lines += [f"  the same  {_shortened(group, 4)}" for group in self.duplicates[:MOST_LISTED]]
        if len(self.duplicates) > MOST_LISTED:
            lines.append(f"  the same  and {len(self.duplicates) - MOST_LISTED:,} groups more")
        lines += [f"  corrupt   {name}" for name in self.corrupt]
        lines += [f"  note      {note}" for note in self.notes] or ["  nothing that would distort a score"]
        return "\n".join(lines)


def inspect_samples(subject: str) -> Inspection:
    """Inspect every sample of a path or data set. No model is loaded or run, and no module of a guest is imported.

    Raises InputError if the path does not exist, is empty or holds a model, UsageError for a sampler or a guest.
    """
    source = open_inspected(subject)
    samples = list(_inspected(source))
    readable = [sample for sample in samples if not sample.reason]
    # samples with equal pixels
    groups: dict[str, list[str]] = {}
    for sample in readable:
        groups.setdefault(sample.content, []).append(sample.place)
    # corrupt files have no pixels, so they are left out of counts of pixels
    report = Inspection(
        name=source.name,
        count=len(source),
        formats=_tally(sample.format for sample in samples),
        sizes=_tally(sample.size for sample in readable),
        modes=_tally(sample.mode for sample in samples),
        classes=_classes(source),
        ignored=dict(getattr(source, "ignored", {})),
        corrupt=tuple(f"{sample.place} ({sample.reason})" for sample in samples if sample.reason),
        grayscale=sum(sample.grayscale for sample in readable),
        enlarged=sum(sample.enlarged for sample in readable),
        rotated=sum(sample.rotated for sample in samples),
        animated=sum(sample.animated for sample in samples),
        duplicates=tuple(tuple(group) for group in groups.values() if len(group) > 1),
        notes=(),
    )
    notes = (*_inspection_notes(report), *(f"{note}." for note in getattr(source, "notes", ())))
    return replace(report, notes=notes)


class _InspectedSample(NamedTuple):
    """Properties of one sample."""

    place: str
    reason: str = ""
    """Why it cannot be decoded; empty if it can."""
    format: str = ""
    mode: str = ""
    size: str = ""
    content: str = ""
    """Hash of its shape and its values."""
    grayscale: bool = False
    enlarged: bool = False
    rotated: bool = False
    animated: bool = False


def _inspected(source: Source) -> Iterator[_InspectedSample]:
    from tqdm import tqdm

    with tqdm(total=len(source), desc=f"inspect {source.name}", unit="sample", disable=None, leave=False) as bar:
        # encoded images, in threads: the headers are inspected, too
        if hasattr(source, "read") and hasattr(source, "load") and hasattr(source, "place"):
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                for sample in pool.map(lambda row: _inspect_encoded(source, row), range(len(source))):
                    bar.update()
                    yield sample
            return
        # arrays and data sets
        for batch in read_batches(source, 256):
            for index, values in zip(batch.index.tolist(), batch.data, strict=True):
                bar.update()
                yield _inspect_decoded(_InspectedSample(f"{source.name}[{index}]"), values)


def _inspect_encoded(source: Any, row: int) -> _InspectedSample:
    """Inspect one encoded image: its header with Pillow, its pixels with the decoder that a score uses."""
    from PIL import ExifTags

    from genbench.sources.decoding import open_raster

    sample = _InspectedSample(source.place(row))
    try:
        # the header
        with open_raster(source.read(row)) as image:
            sample = sample._replace(
                format=image.format or "",
                mode=image.mode,
                rotated=image.getexif().get(ExifTags.Base.Orientation, 1) != 1,
                animated=getattr(image, "n_frames", 1) > 1,
            )
    except Exception:  # the decoder below reports the reason
        sample = sample._replace(format="")
    try:
        # the pixels
        return _inspect_decoded(sample, source.load(row)[0])
    except InputError as error:
        return sample._replace(reason=str(error))


def _inspect_decoded(sample: _InspectedSample, values: Array) -> _InspectedSample:
    # equal shapes and values have equal hashes
    content = hashlib.sha256(f"{values.shape}".encode() + values.tobytes()).hexdigest()[:32]
    # points
    if values.ndim != 3:
        return sample._replace(content=content, size=f"{values.size} values")
    # images, uint8 [3, H, W]; fine detail can be judged from 32 pixels on
    return sample._replace(
        content=content,
        size=f"{values.shape[2]}x{values.shape[1]}",
        grayscale=bool((values[0] == values[1]).all() and (values[1] == values[2]).all()),
        enlarged=min(values.shape[1:]) >= 32 and 0 <= fine_detail(values.mean(axis=0)) < FINE_DETAIL,
    )


def fine_detail(gray: Array) -> float:
    """Return the power of an image's finest detail relative to that of an octave; -1 if there is no detail.

    ``gray``: [H, W] in 0..255. Natural images have similar power in each octave at any resolution (power density falls
    as 1/f^2), but enlarging leaves the finest detail empty. The octave is the highest one below half of the maximal
    frequency whose power exceeds the rounding to 8 bits, so that images enlarged many times are recognised, too.
    """
    # the window keeps the edges of the image from counting as detail
    window = np.outer(np.hanning(gray.shape[0]), np.hanning(gray.shape[1]))
    # the power spectrum, and the higher of both frequencies in 0...5
    power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2
    rows, columns = (np.abs(np.fft.fftfreq(side)) for side in gray.shape)
    frequency = np.maximum(rows[:, None], columns[None, :])
    # the variance of rounding is 1/12
    rounding = (window**2).sum() / 12
    top = 0.25
    while top * min(gray.shape) >= 4:
        octave = power[(frequency > top / 2) & (frequency <= top)]
        if octave.mean() >= ABOVE_ROUNDING * rounding:
            # below .35, interpolation leaves some power
            return float(power[frequency > 0.35].sum() / octave.sum())
        top /= 2
    return -1.0


def _inspection_notes(report: Inspection) -> Iterator[str]:
    images = report.count - len(report.corrupt)
    # the files
    if report.corrupt:
        yield f"{_many(len(report.corrupt))} cannot be decoded: repair them, or use --skip-corrupt."
    if len(report.sizes) > 1:
        yield f"{len(report.sizes)} sizes: each image is resized separately."
    if "JPEG" in report.formats:
        yield (
            f"{_many(report.formats['JPEG'], 'JPEG file')}: compression alone changes FID by several points; use a "
            "reference that was saved in the same way."
        )
    # the pixels
    if report.enlarged > 0.5 * images > 0:
        yield f"{report.enlarged:,} of {images:,} have no fine detail: were they enlarged or blurred before saving?"
    if 0 < report.grayscale < images:
        verb = "is" if report.grayscale == 1 else "are"
        yield f"{report.grayscale:,} of {images:,} {verb} gray, the others are coloured."
    if report.grayscale == images > 0:
        yield (
            "all are gray: networks trained on photographs do not suit them; try the extractors digits, mnist or "
            "pixels."
        )
    # properties that decoding ignores
    if report.rotated:
        yield f"{_many(report.rotated)} with an EXIF rotation, which is not applied."
    if report.animated:
        yield f"{_many(report.animated)} with several frames: only the first frame is used; frames,path=PATH takes all."
    if any(mode in report.modes for mode in ("RGBA", "LA", "PA")):
        yield "transparency is dropped; images are not composed with a background."
    # the set as a whole
    if report.duplicates:
        copies, groups = sum(len(group) - 1 for group in report.duplicates), len(report.duplicates)
        yield (
            f"{_many(copies, 'exact duplicate')} in {_many(groups, 'group')}: they shrink the radii of precision and "
            "recall."
        )
    if any("x" in size for size in report.sizes) and images < SINGULAR_BELOW:
        yield f"fewer images than the {SINGULAR_BELOW:,} dimensions of Inception: FID would be far too high."


def _classes(source: Source) -> dict[str, int]:
    # sources without labels have no classes
    labels = getattr(source, "labels", None)
    if labels is None:
        return {}
    names = getattr(source, "class_names", None) or ()
    numbers, counts = np.unique(np.asarray(labels), return_counts=True)
    # class numbers without a name keep their number
    return {
        str(names[number]) if number < len(names) else str(number): int(count)
        for number, count in zip(numbers.tolist(), counts, strict=True)
    }


def _tally(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(word for word in words if word).most_common())


def _shortened(words: Sequence[str], most: int) -> str:
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _many(count: int, thing: str = "image") -> str:
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"
