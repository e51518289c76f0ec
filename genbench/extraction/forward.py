"""One batch through an extractor: unlike sizes go in groups, and a device that is full gets less at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genbench.arrays import Array
from genbench.errors import GenbenchError, PlugError, guest_error
from genbench.plugs.contracts import Extractor

if TYPE_CHECKING:
    import torch


@dataclass
class Caller:
    """Calls an extractor with as many samples at a time as the device's memory has been found to hold."""

    extractor: Extractor
    say: Callable[[str], None]
    """Where a change of the batch size is told."""
    limit: int | None = None
    """At most so many samples at a time; None until the memory was short."""

    def views(self, data: torch.Tensor | list[torch.Tensor]) -> dict[str, Array]:
        """Return the views of a batch; images of unlike sizes go group by group and come back in order.

        Raises PlugError where the extractor raises or breaks its contract, or a single sample is too much.
        """
        if not isinstance(data, list):
            return self._parts(data)
        import torch

        groups: dict[tuple[int, ...], list[int]] = {}
        for at, image in enumerate(data):
            groups.setdefault(tuple(image.shape), []).append(at)
        found = [self._parts(torch.stack([data[at] for at in group])) for group in groups.values()]
        order = np.argsort(np.concatenate([np.asarray(group) for group in groups.values()]))
        return {view: np.concatenate([part[view] for part in found])[order] for view in found[0]}

    def _parts(self, data: torch.Tensor) -> dict[str, Array]:
        import torch

        parts: list[dict[str, Array]] = []
        start = 0
        while start < len(data):
            some = data[start : start + (self.limit or len(data))]
            try:
                parts.append(_call(self.extractor, some))
                start += len(some)
            except torch.cuda.OutOfMemoryError as error:
                if len(some) == 1:
                    raise PlugError(
                        "The device is out of memory with a single sample; choose another with --device."
                    ) from error
                self.limit = len(some) // 2
                self.say(f"the device is out of memory at batch size {len(some)}: going on with {self.limit}")
            if self.limit and torch.cuda.is_available():  # outside of except: the error holds what filled the memory
                torch.cuda.empty_cache()
        return (
            parts[0] if len(parts) == 1 else {view: np.concatenate([part[view] for part in parts]) for view in parts[0]}
        )


def _call(extractor: Extractor, data: torch.Tensor) -> dict[str, Array]:
    import torch

    try:
        with torch.inference_mode():
            views = extractor(data.to(getattr(extractor, "device", "cpu")))
        if not isinstance(views, Mapping):
            raise PlugError(f"The extractor {extractor.name!r} gave a {type(views).__name__}; wanted a dict of views.")
        arrays = {view: np.asarray(torch.as_tensor(rows).cpu()) for view, rows in views.items()}
    except (GenbenchError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        raise guest_error(f"The extractor {extractor.name!r}", error) from error
    for view, rows in arrays.items():
        if rows.ndim == 0 or len(rows) != len(data):
            raise PlugError(
                f"The extractor {extractor.name!r} gave {view!r} of shape {list(rows.shape)} for {len(data)} samples."
            )
    return arrays
