"""Several processes that work as one: which share is whose, and what they tell each other.

All they tell are content hashes of what they have put into the store of features, a few kB, so the rendezvous store of
torch.distributed is enough: no tensor travels, and it is the same for gloo, nccl, CPUs and GPUs.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from genbench.errors import GenbenchError, InputError

BEAT_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""How long a rank may be silent before the others take it for dead; a thread beats for a busy one."""

AGAIN = "what was finished is in the store: start the same command again, and it goes on from there."


@dataclass(frozen=True)
class Ranks:
    """This process among ``size``; rank 0 compares and prints."""

    rank: int
    size: int
    board: Any
    """A torch.distributed.Store that all of them reach."""

    def owns(self, number: int) -> bool:
        """Whether the block or trial of that number is this rank's."""
        return number % self.size == self.rank

    def exchange(self, key: str, text: str) -> list[str]:
        """Tell the others a text and return everybody's, in the order of ranks; all must call it with the same key.

        Raises InputError where a rank fails or falls silent.
        """
        with self._talking():
            self.board.set(f"{key}/{self.rank}", text)
            self._wait(key)
            return [self.board.get(f"{key}/{rank}").decode() for rank in range(self.size)]

    def _wait(self, key: str) -> None:
        heard = {rank: (-1, time.monotonic()) for rank in range(self.size)}
        while missing := [rank for rank in heard if not self.board.check([f"{key}/{rank}"])]:
            if self.board.check(["failed"]):
                raise InputError(f"{self.board.get('failed').decode()}; {AGAIN}")
            for rank in missing:
                beat = self.board.add(f"beat/{rank}", 0)
                if beat != heard[rank][0]:
                    heard[rank] = beat, time.monotonic()
                elif time.monotonic() - heard[rank][1] > PATIENCE_SECONDS:
                    raise InputError(f"Rank {rank} has been silent for {PATIENCE_SECONDS:.0f} seconds; {AGAIN}")
            time.sleep(0.1)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # the process that keeps the board is gone
            raise InputError(f"Rank {self.rank} has lost the other ranks ({type(error).__name__}); {AGAIN}") from error

    def _beat(self, done: threading.Event) -> None:
        with suppress(RuntimeError):
            while not done.wait(BEAT_SECONDS):
                self.board.add(f"beat/{self.rank}", 1)


@contextmanager
def joined() -> Iterator[Ranks | None]:
    """Join the other processes that torchrun has started; None for a process that is alone.

    Read are RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, so other launchers can set these. An error in here is told
    to the others, and a rank that is told to end says that its work is kept.
    """
    given = all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    if not given or os.environ["WORLD_SIZE"] == "1":
        yield None
        return
    from torch.distributed.rendezvous import rendezvous

    board, rank, size = next(rendezvous("env://", timeout=timedelta(minutes=5)))
    ranks = Ranks(rank, size, board)
    done = threading.Event()
    threading.Thread(target=ranks._beat, args=(done,), daemon=True).start()
    before = signal.signal(signal.SIGTERM, _told_to_end)
    try:
        yield ranks
    except BaseException as error:
        with suppress(RuntimeError):
            said = str(error).rstrip(".") if isinstance(error, GenbenchError) else type(error).__name__
            board.set("failed", f"Rank {rank} stopped ({said})")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        done.set()


def _told_to_end(*_: object) -> None:
    raise InputError(f"This rank was told to end, as torchrun does when another one has died; {AGAIN}")
