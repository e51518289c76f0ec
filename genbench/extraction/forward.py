"""The forward pass of one batch: images of different sizes in groups, and smaller batches if the memory is full."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from genbench.array_types import Array
from genbench.errors import PlugError, guest_code
from genbench.extraction.feature_store import added_views
from genbench.plugs.contract_checks import checked_views
from genbench.plugs.contracts import Extractor
from genbench.plugs.tensors import input_of


@dataclass
class ForwardPass:
    """Calls an extractor, with fewer samples per call after the device has run out of memory."""

    extractor: Extractor
    notify: Callable[[str], None]
    """Called with a message when the batch size is reduced."""
    max_batch: int | None = None
    """Maximum number of samples per call; None until the memory was full for the first time."""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The shape of a row of each view, which must be that of the first batch."""

    def views(self, data: Array | list[Array]) -> dict[str, Array]:
        """Return the views of a batch, in its order: one array, or a list of images of different sizes.

        Raises PlugError if the extractor raises or breaks its contract, or if a single sample does not fit into memory.
        """
        if not isinstance(data, list):
            return self._views_of_array(data)

        # stack images of the same size
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(data):
            groups.setdefault(tuple(image.shape), []).append(index)
        outputs = [self._views_of_array(np.stack([data[index] for index in group])) for group in groups.values()]
        # bring the rows of all groups back into the order of the batch
        order = np.argsort(np.concatenate([np.asarray(group) for group in groups.values()]))
        return {view: np.concatenate([output[view] for output in outputs])[order] for view in outputs[0]}

    def _views_of_array(self, data: Array) -> dict[str, Array]:
        outputs: list[dict[str, Array]] = []
        start = 0
        while start < len(data):
            chunk = data[start : start + (self.max_batch or len(data))]
            try:
                outputs.append(_call_extractor(self.extractor, chunk))
                self._require_same_shapes(outputs[-1])
                start += len(chunk)
            except _memory_errors() as error:
                if len(chunk) == 1:
                    raise PlugError(
                        "The device is out of memory with a single sample; choose another device with --device."
                    ) from error
                # halve the batch for all later calls, too
                self.max_batch = len(chunk) // 2
                self.notify(f"the device is out of memory at batch size {len(chunk)}: going on with {self.max_batch}")
            # after the except clause, because the error object keeps the tensors that filled the memory alive
            if self.max_batch:
                _empty_device_cache()
        if len(outputs) == 1:
            return outputs[0]
        return {view: np.concatenate([output[view] for output in outputs]) for view in outputs[0]}

    def _require_same_shapes(self, views: dict[str, Array]) -> None:
        """Raise PlugError if the views have other names or widths than those of the first batch."""
        shapes = {view: rows.shape[1:] for view, rows in views.items()}
        self.shapes = self.shapes or shapes
        if shapes != self.shapes:
            raise PlugError(
                f"The extractor {self.extractor.name!r} gave views of the shapes {_shapes(self.shapes)} and then "
                f"{_shapes(shapes)}; every batch needs the same views, of the same width."
            )


def _shapes(views: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{view} [n{''.join(f', {size}' for size in shape)}]" for view, shape in views.items())


def _memory_errors() -> tuple[type[BaseException], ...]:
    """Return the classes of torch's errors about a full device; without torch there are none."""
    torch = sys.modules.get("torch")
    return () if torch is None else (torch.cuda.OutOfMemoryError,)


def _empty_device_cache() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _call_extractor(extractor: Extractor, data: Array) -> dict[str, Array]:
    # run the guest's code, and name the guest in whatever it raises
    who = f"The extractor {extractor.name!r}"
    with guest_code(who, passing=_memory_errors()):
        given = input_of(extractor, data)
    # no gradients are kept, also if an extractor that takes arrays uses torch
    torch = sys.modules.get("torch")
    with guest_code(who, passing=_memory_errors()), nullcontext() if torch is None else torch.inference_mode():
        views = extractor(given)
    checked = checked_views(views, len(data), who)
    # what a metric asked for must be there before it is stored
    missing = [view for view in added_views(extractor) if view not in checked]
    if missing:
        raise PlugError(f"{who} was asked for the view {missing[0]!r} and gave {', '.join(checked)} only.")
    return checked
