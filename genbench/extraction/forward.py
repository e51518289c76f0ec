"""The forward pass of one batch: images of different sizes in groups, and smaller batches if the memory is full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genbench.array_types import Array
from genbench.errors import GenbenchError, PlugError, guest_error
from genbench.plugs.contracts import Extractor

if TYPE_CHECKING:
    import torch


@dataclass
class ForwardPass:
    """Calls an extractor, with fewer samples per call after the device has run out of memory."""

    extractor: Extractor
    notify: Callable[[str], None]
    """Called with a message when the batch size is reduced."""
    max_batch: int | None = None
    """Maximum number of samples per call; None until the memory was full for the first time."""

    def views(self, data: torch.Tensor | list[torch.Tensor]) -> dict[str, Array]:
        """Return the views of a batch, in its order: one tensor, or a list of images of different sizes.

        Raises PlugError if the extractor raises or breaks its contract, or if a single sample does not fit into memory.
        """
        if not isinstance(data, list):
            return self._views_of_tensor(data)
        import torch

        # stack images of the same size
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(data):
            groups.setdefault(tuple(image.shape), []).append(index)
        outputs = [self._views_of_tensor(torch.stack([data[index] for index in group])) for group in groups.values()]
        # bring the rows of all groups back into the order of the batch
        order = np.argsort(np.concatenate([np.asarray(group) for group in groups.values()]))
        return {view: np.concatenate([output[view] for output in outputs])[order] for view in outputs[0]}

    def _views_of_tensor(self, data: torch.Tensor) -> dict[str, Array]:
        import torch

        outputs: list[dict[str, Array]] = []
        start = 0
        while start < len(data):
            chunk = data[start : start + (self.max_batch or len(data))]
            try:
                outputs.append(_call_extractor(self.extractor, chunk))
                start += len(chunk)
            except torch.cuda.OutOfMemoryError as error:
                if len(chunk) == 1:
                    raise PlugError(
                        "The device is out of memory with a single sample; choose another device with --device."
                    ) from error
                # halve the batch for all later calls, too
                self.max_batch = len(chunk) // 2
                self.notify(f"the device is out of memory at batch size {len(chunk)}: going on with {self.max_batch}")
            # after the except clause, because the error object keeps the tensors that filled the memory alive
            if self.max_batch and torch.cuda.is_available():
                torch.cuda.empty_cache()
        if len(outputs) == 1:
            return outputs[0]
        return {view: np.concatenate([output[view] for output in outputs]) for view in outputs[0]}


def _call_extractor(extractor: Extractor, data: torch.Tensor) -> dict[str, Array]:
    import torch

    # run the guest's code, and name the guest in whatever it raises
    try:
        with torch.inference_mode():
            views = extractor(data.to(getattr(extractor, "device", "cpu")))
        if not isinstance(views, Mapping):
            raise PlugError(
                f"The extractor {extractor.name!r} gave a {type(views).__name__}; expected a dict of views."
            )
        arrays = {view: np.asarray(torch.as_tensor(rows).cpu()) for view, rows in views.items()}
    except (GenbenchError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        raise guest_error(f"The extractor {extractor.name!r}", error) from error
    # every view needs one row per sample
    for view, rows in arrays.items():
        if rows.ndim == 0 or len(rows) != len(data):
            raise PlugError(
                f"The extractor {extractor.name!r} gave {view!r} of shape {list(rows.shape)} for {len(data)} samples."
            )
    return arrays
