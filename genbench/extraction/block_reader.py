"""Read the blocks of a source; draw the next one in a thread while the extractors work on the current one."""

from __future__ import annotations

import contextvars
import ctypes
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any

import numpy as np

from genbench.plugs.contract_checks import read_batches
from genbench.plugs.contracts import Batch, Source

BLOCK_ROWS = 256
"""Samples per block. A block is the unit of content addresses, of resuming and of recomputing after a change."""

BYTES_AHEAD = 1 << 29
"""Size of the samples of a block up to which the next block is drawn ahead: both are in memory at the same time."""


class BlockReader:
    """Reads the blocks ``numbers`` of a source in this order, and stops its thread at the end of the with statement.

    A source with ``draws_ahead`` is read one block ahead. The samples are the same as without: the thread has the
    settings of torch and NumPy of the caller, and a block is drawn ahead only beside extractors that leave the global
    generators alone, because samplers may use these, and only if it is not drawn on a GPU, because extractors
    switch TF32 on and off for the whole process. What fails in the thread is drawn again by the caller, so errors are
    those of a call in turn, and a sampler that works in the main thread only, or needs all the memory of a device, goes
    on without drawing ahead.
    """

    def __init__(self, source: Source, batch_size: int, numbers: Sequence[int]) -> None:
        self.source = source
        self._batch_size = batch_size
        self._following = dict(pairwise(numbers))
        # whether drawing ahead is possible, and whether a first block has shown that nothing speaks against it
        self._ahead, self._examined = bool(getattr(source, "draws_ahead", False)), False
        self._worker: _Worker | None = None

    def __enter__(self) -> BlockReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._close()

    def batches(self, number: int) -> Iterator[Batch]:
        """Yield the batches of a block."""
        start = number * BLOCK_ROWS
        return read_batches(self.source, self._batch_size, start, min(start + BLOCK_ROWS, len(self.source)))

    def read(self, number: int) -> list[Batch]:
        """Return the batches of a block, which may have been drawn ahead."""
        if self._worker is not None and self._worker.number == number:
            batches = self._worker.take()
            if batches is not None:
                return batches
            self._ahead = False
            self._close()
        if not self._ahead or self._examined:
            return list(self.batches(number))
        # a first block shows whether the samples are small and do not come from a GPU
        allocated = _allocations_on_gpu()
        batches = list(self.batches(number))
        self._ahead = _size_bytes(batches) <= BYTES_AHEAD and _allocations_on_gpu() == allocated
        return batches

    def beside_next(self, number: int, batches: list[Batch]) -> Iterator[Batch]:
        """Yield the batches of a block to extractors, and meanwhile draw the next block."""
        following = self._following.get(number)
        ahead = self._ahead and following is not None and _exact_on_cpu()
        if ahead and self._examined:
            self._start(following)
        # the first batch shows whether the extractors draw from the global generators
        before = _generator_states() if ahead and not self._examined else None
        for batch in batches:
            yield batch
            if before is not None:
                self._ahead, self._examined = _generator_states() == before, True
                before = None
                if self._ahead:
                    self._start(following)

    def _start(self, number: int | None) -> None:
        assert number is not None
        if self._worker is None:
            self._worker = _Worker(self)
        self._worker.ask(number)

    def _close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()


class _Worker:
    """The thread that reads blocks: one thread for all blocks, one block at a time."""

    def __init__(self, reader: BlockReader) -> None:
        self._reader = reader
        self._asked: SimpleQueue[int | None] = SimpleQueue()
        self._given: SimpleQueue[list[Batch] | None] = SimpleQueue()
        self.number: int | None = None
        """The block that was asked for and not taken."""
        # the context variables of the caller, such as NumPy's errstate
        settings, context = _torch_settings(), contextvars.copy_context()
        self._thread = Thread(target=context.run, args=(self._work, settings), name="genbench-draw")
        self._thread.start()
        # wait until torch has copied the number of threads, which extractors lower for a while
        self._given.get()

    def ask(self, number: int) -> None:
        """Start to read a block."""
        self.number = number
        self._asked.put(number)

    def take(self) -> list[Batch] | None:
        """Wait for the block that was asked for; return None if it could not be read."""
        batches = self._given.get()
        self.number = None
        return batches

    def stop(self) -> None:
        """End the thread, and wait for it, because a sampler restores the global generators when it ends."""
        if self.number is not None and self._thread.ident is not None:
            # what Ctrl-C does in the main thread: the exception is raised between two steps of the sampler
            interrupt = ctypes.py_object(KeyboardInterrupt)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), interrupt)
        self._asked.put(None)
        self._thread.join()

    def _work(self, settings: list[Any]) -> None:
        # an interrupt may also come after the sampler has finished
        with suppress(KeyboardInterrupt), ExitStack() as stack:
            failed = not _entered(stack, settings)
            self._given.put(None)
            while (number := self._asked.get()) is not None:
                self._given.put(None if failed else self._read(number))

    def _read(self, number: int) -> list[Batch] | None:
        try:
            return list(self._reader.batches(number))
        except BaseException:  # the caller reads the block again, and gets its own error
            return None


def _entered(stack: ExitStack, settings: list[Any]) -> bool:
    """Enter the settings in this thread; return False if torch refuses one."""
    try:
        for setting in settings:
            stack.enter_context(setting)
    except Exception:
        return False
    # torch gives a thread the number of threads at its first question
    if torch := sys.modules.get("torch"):
        torch.get_num_threads()
    return True


def _torch_settings() -> list[Any]:
    """Return contexts that give another thread the settings of torch that each thread has for itself."""
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    settings: list[Any] = [torch.inference_mode()] if torch.is_inference_mode_enabled() else []
    if not torch.is_grad_enabled():
        settings.append(torch.no_grad())
    # a context of a device costs time in every call
    if torch.get_default_device().type != "cpu":
        settings.append(torch.get_default_device())
    if torch.cuda.is_initialized():
        settings.append(torch.cuda.device(torch.cuda.current_device()))
    kinds = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    return settings + [torch.autocast(kind, torch.get_autocast_dtype(kind)) for kind in kinds]


def _generator_states() -> list[object]:
    """Return the states of the global generators of Python, NumPy and torch, on the CPU."""
    _, keys, *rest = np.random.get_state()
    torch = sys.modules.get("torch")
    return [random.getstate(), np.asarray(keys).tobytes(), rest, torch and bytes(torch.get_rng_state().numpy())]


def _allocations_on_gpu() -> int:
    """Return how often torch has allocated memory on GPUs."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0
    counts = map(torch.cuda.memory_stats, range(torch.cuda.device_count()))
    return sum(int(count.get("allocation.all.allocated", 0)) for count in counts)


def _exact_on_cpu() -> bool:
    """Return False if the user has chosen lower precision for the CPU, which extractors forbid while they work."""
    backend = getattr(getattr(sys.modules.get("torch"), "backends", None), "mkldnn", None)
    operations = (getattr(backend, name, None) for name in ("conv", "matmul"))
    return all(getattr(operation, "fp32_precision", "none") in ("none", "ieee") for operation in operations)


def _size_bytes(batches: list[Batch]) -> int:
    rows = (batch.data if isinstance(batch.data, list) else [batch.data] for batch in batches)
    return sum(array.nbytes for arrays in rows for array in arrays)
