"""A Sampler, once it has a count and a seed, is a Source: drawn in chunks of a fixed size, checked as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genbench.arrays import Array, Int64
from genbench.errors import GenbenchError, InputError, PlugError, guest_error
from genbench.plugs.contracts import Batch, Sampler, Source

if TYPE_CHECKING:
    import numpy as np
    import torch

CHUNK = 256
"""How many samples one call asks for; a recipe that changes it changes its samples."""


@dataclass
class Drawn:
    """``count`` samples of a sampler: chunk i is ``sampler.sample(CHUNK, seed_i)``, seed_i made from (seed, i).

    Every chunk is asked for whole and cut, so 500 samples are the first 500 of 1,000. A sampler that takes classes is
    asked for each in turn by ``sample_classes``, and its samples carry them as labels.
    """

    sampler: Sampler
    count: int
    seed: int
    name: str
    _last: tuple[int, torch.Tensor] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.count

    @property
    def labels(self) -> Int64 | None:
        """The class that each sample was asked to be of, int64 [count]; None of a sampler that takes none."""
        return self._labels(0, self.count)

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield uint8 [n, 3, H, W] images or float32 [n, D] points. Raises PlugError where the guest errs."""
        import torch

        stop = self.count if stop is None else min(stop, self.count)
        while start < stop:
            chunk, offset = divmod(start, CHUNK)
            end = min(stop, start + size, (chunk + 1) * CHUNK)
            data = self._chunk(chunk)[offset : offset + end - start]
            label = self._labels(start, end)
            yield Batch(torch.arange(start, end), data, None if label is None else torch.from_numpy(label))
            start = end

    def _chunk(self, number: int) -> torch.Tensor:
        if self._last is None or self._last[0] != number:
            self._last = (number, self._draw(number))
        return self._last[1]

    def _draw(self, number: int) -> torch.Tensor:
        label, seed = self._labels(number * CHUNK, (number + 1) * CHUNK), chunk_seed(self.seed, number)
        try:
            drawn = self.sampler.sample(CHUNK, seed) if label is None else self._conditional(label, seed)
        except GenbenchError:
            raise
        except Exception as error:
            raise guest_error(f"The sampler {self.name!r}", error) from error
        return as_batch_data(drawn, CHUNK, f"The sampler {self.name!r}")

    def _conditional(self, label: Array, seed: int) -> Any:
        return self.sampler.sample_classes(label, seed)  # type: ignore[attr-defined]

    def _labels(self, start: int, stop: int) -> Int64 | None:
        import numpy as np

        classes = getattr(self.sampler, "classes", None)
        if not isinstance(classes, int) or classes < 1 or not hasattr(self.sampler, "sample_classes"):
            return None
        return np.arange(start, stop, dtype=np.int64) % classes


def chunk_seed(seed: int, number: int) -> int:
    """Return the seed of a chunk, below 2**32, unrelated for unlike (seed, number)."""
    import numpy as np

    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def as_batch_data(drawn: Any, count: int, who: str) -> torch.Tensor:
    """Return what a sampler gave as uint8 [count, 3, H, W] or float32 [count, D], or raise PlugError saying why not."""
    import numpy as np
    import torch

    wanted = f"wanted uint8 [{count}, H, W, 3] or [{count}, 3, H, W], or float [{count}, D] points"
    try:
        array = drawn.detach().cpu().numpy() if isinstance(drawn, torch.Tensor) else np.asarray(drawn)
    except (ValueError, TypeError) as error:  # a ragged list, say
        raise PlugError(f"{who} gave a {type(drawn).__name__} that is no array ({error}); {wanted}.") from error
    came = f"{array.dtype} {list(array.shape)}"
    if array.ndim == 0 or array.shape[0] != count:
        raise PlugError(f"{who} gave {came} when asked for {count} samples; {wanted}.")
    if array.ndim == 2 and array.dtype.kind in "fiu":
        return torch.from_numpy(_finite(array, who).astype(np.float32))
    if array.ndim in (3, 4) and array.dtype.kind == "f":
        raise PlugError(
            f"{who} gave {came}, whose range is not known; {wanted} (for values in -1..1: "
            "((x + 1) * 127.5).round().clip(0, 255).astype('uint8'))."
        )
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise PlugError(f"{who} gave {came}; {wanted}.")
    return torch.from_numpy(_as_rgb(array, who, wanted))


def _as_rgb(array: Array, who: str, wanted: str) -> Array:
    import numpy as np

    images = array[:, None] if array.ndim == 3 else array
    if images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.shape[1] not in (1, 3) or 0 in images.shape:
        raise PlugError(f"{who} gave uint8 {list(array.shape)}, which has neither 1 nor 3 channels; {wanted}.")
    return np.array(np.broadcast_to(images, (images.shape[0], 3, *images.shape[2:])))


def _finite(array: Array, who: str) -> Array:
    import numpy as np

    if not np.isfinite(array).all():
        rows = int((~np.isfinite(array)).any(axis=1).sum())
        raise PlugError(f"{who} gave NaN or infinity in {rows} of {len(array)} points; the model may have diverged.")
    return array


def subset(source: Source, count: int, seed: int) -> Source:
    """Return ``count`` rows of a source, drawn without replacement by ``seed``, in the source's order.

    Raises InputError where the source holds fewer: a score of fewer samples than asked is another score.
    """
    if count > len(source):
        raise InputError(
            f"{source.name} holds {len(source):,} sample{'' if len(source) == 1 else 's'}, but {count:,} are asked "
            "for; give more samples, or ask for fewer."
        )
    if count == len(source):
        return source
    import numpy as np

    chosen = np.sort(np.random.default_rng(seed).choice(len(source), count, replace=False))
    return Subset(source, chosen, f"{source.name} ({count:,} of {len(source):,}, seed {seed})")


@dataclass(frozen=True, eq=False)
class Subset:
    """Some rows of a source. Rows in between are decoded and dropped: decoding is cheap beside a network."""

    source: Source
    chosen: Int64
    name: str

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def skip_corrupt(self) -> bool:
        return bool(getattr(self.source, "skip_corrupt", False))

    @property
    def labels(self) -> Int64 | None:
        labels = getattr(self.source, "labels", None)
        return None if labels is None else np.asarray(labels)[self.chosen]

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        import torch

        wanted = self.chosen[start:stop]
        if not len(wanted):
            return
        place = {int(row): start + at for at, row in enumerate(wanted)}
        for batch in self.source.batches(size, int(wanted[0]), int(wanted[-1]) + 1):
            keep = [at for at, row in enumerate(batch.index.tolist()) if row in place]
            if keep:
                index = torch.tensor([place[int(batch.index[at])] for at in keep])
                data = [batch.data[at] for at in keep] if isinstance(batch.data, list) else batch.data[keep]
                yield Batch(index, data, None if batch.label is None else batch.label[keep])
