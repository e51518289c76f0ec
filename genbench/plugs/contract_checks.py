"""Check what guests give: the batches of a source, the views of an extractor, the scores of a metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np

from genbench.array_types import Array, Int64
from genbench.errors import InputError, PlugError, guest_code
from genbench.plugs.contracts import Batch, Score, Source
from genbench.plugs.tensors import is_tensor, to_numpy

VIEWS = {
    "embedding": ("float32 [N, D]", "f", 2),
    "spatial": ("float32 [N, D]", "f", 2),
    "logits": ("float32 [N, C]", "f", 2),
    "mode": ("int64 [N]", "iu", 1),
    "quality": ("bool [N]", "b", 1),
}
"""The views of the contract: their form in words, their kinds of numbers (NumPy's letters), their number of axes."""


def check_source(source: Any) -> None:
    """Raise PlugError unless a source has a length and a text as its name."""
    # both may be properties that raise; a negative length raises as well
    with guest_code(f"The source of class {type(source).__name__}", passing=(OSError,)):
        name, _ = source.name, len(source)
    if not isinstance(name, str):
        raise PlugError(f"The source of class {type(source).__name__} has name={name!r}; expected a text.")


def check_extractor(extractor: Any) -> None:
    """Raise PlugError unless the name and the identity of an extractor are texts."""
    # the name goes into every score, the identity addresses the store
    with guest_code(f"The extractor of class {type(extractor).__name__}"):
        name = extractor.name
    if not isinstance(name, str) or not name:
        raise PlugError(f"The extractor of class {type(extractor).__name__} has name={name!r}; expected a text.")
    # genbench's own identities hash the weights, which may be missing: they are read when they are needed
    if type(extractor).__module__.startswith("genbench."):
        return
    with guest_code(f"The extractor {name!r}"):
        identity = extractor.identity
    if not isinstance(identity, str):
        raise PlugError(
            f"The extractor {name!r} has identity={identity!r}; expected a text that changes when the numbers do, or "
            "an empty text if it is unknown."
        )


def read_batches(source: Source, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
    """Yield the batches of a source as NumPy arrays; a guest may give tensors, in a batch of its own class.

    Raises PlugError if the source raises or breaks its contract.
    """
    # a generator raises when it is asked for the next batch
    who = f"The source {source.name!r}"
    stop = len(source) if stop is None else stop
    with guest_code(who, passing=(OSError, MemoryError)):
        batches = iter(source.batches(size, start, stop))
    while True:
        with guest_code(who, passing=(OSError, MemoryError)):
            batch = next(batches, None)
        if batch is None:
            return
        yield _checked_batch(batch, range(start, stop), who)


def _checked_batch(batch: Any, rows: range, who: str) -> Batch:
    """Return a batch of arrays. Raises PlugError if it breaks the contract."""
    # the three fields
    if not (hasattr(batch, "index") and hasattr(batch, "data")):
        raise PlugError(
            f"{who} yields a {type(batch).__name__}; expected batches with index, data and label (genbench.Batch)."
        )
    # the samples
    label = getattr(batch, "label", None)
    data: Array | list[Array]
    if isinstance(batch.data, list):
        data = [_samples(image, ("image",), " in a list", who) for image in batch.data]
    else:
        data = _samples(batch.data, ("image", "images", "points"), "", who)
    # the positions and the classes of the samples
    index = _whole_numbers("index", batch.index, len(data), who)
    label = None if label is None else _whole_numbers("label", label, len(data), who)
    if len(index) and not (rows.start <= int(index.min()) and int(index.max()) < rows.stop):
        raise PlugError(
            f"{who} yields the samples {int(index.min())} to {int(index.max())} when asked for {rows.start} to "
            f"{rows.stop - 1}; batches(size, start, stop) must yield these rows only."
        )
    return Batch(index, data, label, dict(getattr(batch, "left_out", {})))


def _samples(given: object, forms: tuple[str, ...], where: str, who: str) -> Array:
    """Return the data of a batch, or one of its images. Raises PlugError unless it has one of these forms."""
    array = _as_array(given)
    if array is None or _form(array) not in forms:
        raise PlugError(
            f"{who} yields data of {_described(given)}{where}; expected an array or tensor uint8 [N, 3, H, W] or "
            "float32 [N, D], or a list of uint8 [3, H, W]."
        )
    return array


def _whole_numbers(name: str, values: object, count: int, who: str) -> Int64:
    """Return the index or the label of a batch. Raises PlugError for anything but whole numbers [count]."""
    array = _as_array(values)
    if array is None or array.dtype.kind not in "iub" or array.shape != (count,):
        raise PlugError(
            f"{who} yields {name} of {_described(values)} for {count} samples; expected an array or tensor int64 [N]."
        )
    return array.astype(np.int64, copy=False)


def _form(data: Array) -> str:
    """Return ``image``, ``images`` or ``points`` for an array of that form, otherwise an empty text."""
    if data.dtype == np.uint8 and data.ndim in (3, 4) and data.shape[-3] == 3:
        return "image" if data.ndim == 3 else "images"
    return "points" if data.dtype.kind == "f" and data.ndim == 2 else ""


def checked_views(views: object, count: int, who: str) -> dict[str, Array]:
    """Return the views of ``count`` samples as arrays. Raises PlugError if they break the contract of extractors."""
    if not isinstance(views, Mapping) or not views:
        raise PlugError(f"{who} gave a {type(views).__name__}; expected a dict of views, such as embedding [N, D].")
    arrays: dict[str, Array] = {}
    for view, rows in views.items():
        # views with names of the guest's own, for a metric of the guest's own, need rows only
        expected, kinds, axes = VIEWS.get(view, ("an array [N, ...]", "fiub", 0))
        array = _as_array(rows)
        if array is None or array.dtype.kind not in kinds or array.ndim != (axes or max(1, array.ndim)):
            raise PlugError(f"{who} gave {view!r} as {_described(rows)} for {count} samples; expected {expected}.")
        if len(array) != count:
            raise PlugError(f"{who} gave {view!r} of shape {list(array.shape)} for {count} samples.")
        arrays[view] = array
    return arrays


def _as_array(rows: object) -> Array | None:
    """Return a tensor or array as a NumPy array; None for anything else, and for a tensor that NumPy cannot hold."""
    try:
        return to_numpy(rows) if isinstance(rows, np.ndarray) or is_tensor(rows) else None
    except InputError:
        return None


def check_metric(metric: Any, name: str) -> None:
    """Raise PlugError unless an object has what a metric needs."""
    # a text would be taken for the tuple of its letters
    needs = getattr(metric, "needs", None)
    if not callable(metric) or not isinstance(needs, (tuple, list)) or not all(isinstance(one, str) for one in needs):
        raise PlugError(
            f"{name!r} is not a metric: it needs a call (generated, reference, *, seed), and needs, a tuple of the "
            f"views that it reads, such as ('embedding',), not {needs!r}."
        )
    if getattr(metric, "reference", None) not in ("none", "rows", "moments"):
        raise PlugError(
            f"The metric {name!r} has reference={getattr(metric, 'reference', None)!r}; expected 'none', 'rows' or "
            "'moments'."
        )


def checked_scores(scores: object, who: str) -> list[Score]:
    """Return the scores of a metric. Raises PlugError if they break the contract of metrics."""
    # a Score is a tuple itself
    if not isinstance(scores, (list, tuple)) or hasattr(scores, "value"):
        raise PlugError(f"{who} returned a {type(scores).__name__}; expected a list of scores (genbench.Score).")
    # a metric that returns one name twice would hide one of the scores
    names: set[str] = set()
    for score in scores:
        if not (hasattr(score, "name") and hasattr(score, "value")):
            raise PlugError(f"{who} returned a list with a {type(score).__name__}; expected scores (genbench.Score).")
        # the fields of each score, with what they must be
        error, better = getattr(score, "error", None), getattr(score, "better", None)
        problem = ""
        if not isinstance(score.name, str) or not score.name or score.name in names:
            problem = f"the name {score.name!r}; expected a text, another one for each score"
        elif not _is_number(score.value):
            problem = f"the value {_described(score.value)}; expected a number, as in float(value)"
        elif error is not None and not (_is_number(error) and not error < 0):
            problem = f"the error {_described(error)}; expected a number from 0 on, or None"
        elif better not in (None, "lower", "higher"):
            problem = f"better={better!r}; expected 'lower', 'higher' or None"
        elif not isinstance(getattr(score, "detail", {}), Mapping):
            problem = f"the detail {_described(score.detail)}; expected a dict"
        if problem:
            raise PlugError(f"{who} returned the score {str(score.name)[:40]!r} with {problem}.")
        names.add(score.name)
    return list(scores)


def _is_number(value: object) -> bool:
    # NumPy's floats are numbers; arrays and tensors of one element are not
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _described(value: Any) -> str:
    """Return a value as text for a message: dtype and shape of tensors and arrays, the type of large objects."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)} ({type(value).__name__})"
    return repr(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"
