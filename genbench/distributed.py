"""Processes that share the work: which rank owns which part, and the texts that ranks exchange.

Ranks exchange only the content hashes of the blocks that they put into the feature store, a few kB. The rendezvous
store of torch.distributed is enough for this, because no tensor is sent, and it is the same on CPUs and GPUs.
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

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 60.0
"""A rank without a heartbeat for this long counts as dead; a thread sends the heartbeats while a rank is busy."""

RESUME_HINT = "finished work is in the store; start the same command again to resume."


@dataclass(frozen=True)
class Ranks:
    """This process, number ``rank`` of ``size``; rank 0 computes the scores and prints them."""

    rank: int
    size: int
    store: Any
    """A torch.distributed.Store that all ranks can reach."""

    def owns(self, number: int) -> bool:
        """Return whether the block or trial of that number belongs to this rank."""
        return number % self.size == self.rank

    def exchange(self, key: str, text: str) -> list[str]:
        """Send a text to all ranks and return the texts of all ranks, in the order of ranks.

        All ranks must call this with the same key, and equally often. Raises InputError if a rank fails or goes silent.
        """
        with self._connection():
            # two sources of one name and length have one key, and the texts of the first must not pass for the second
            turn = self.store.add(f"turns of {key}/{self.rank}", 1)
            key = key if turn == 1 else f"{key}, turn {turn}"
            # publish this rank's text, then wait for the texts of all others
            self.store.set(f"{key}/{self.rank}", text)
            self._wait(key)
            return [self.store.get(f"{key}/{rank}").decode() for rank in range(self.size)]

    def _wait(self, key: str) -> None:
        # per rank, the last heartbeat and the time at which it arrived
        heartbeats = {rank: (-1, time.monotonic()) for rank in range(self.size)}
        while missing := [rank for rank in heartbeats if not self.store.check([f"{key}/{rank}"])]:
            # a failed rank leaves its reason under this key
            if self.store.check(["failed"]):
                raise InputError(f"{self.store.get('failed').decode()}; {RESUME_HINT}")
            for rank in missing:
                # adding 0 reads a counter of the store without waiting for it
                beat = self.store.add(f"beat/{rank}", 0)
                if beat != heartbeats[rank][0]:
                    heartbeats[rank] = beat, time.monotonic()
                elif time.monotonic() - heartbeats[rank][1] > SILENCE_SECONDS:
                    raise InputError(f"Rank {rank} has been silent for {SILENCE_SECONDS:.0f} seconds; {RESUME_HINT}")
            time.sleep(0.1)

    @contextmanager
    def _connection(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # the process that hosts the rendezvous store has ended
            raise InputError(
                f"Rank {self.rank} has lost the other ranks ({type(error).__name__}); {RESUME_HINT}"
            ) from error

    def _send_heartbeats(self, done: threading.Event) -> None:
        # a RuntimeError means that the host of the store has ended; the main thread reports it
        with suppress(RuntimeError):
            while not done.wait(HEARTBEAT_SECONDS):
                self.store.add(f"beat/{self.rank}", 1)


@contextmanager
def joined() -> Iterator[Ranks | None]:
    """Join the other processes that torchrun has started; yield None for a single process.

    Reads RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, which other launchers can also set. An error in the block is
    sent to the other ranks. A terminated rank raises an InputError that says that finished work is stored.
    """
    # a lone WORLD_SIZE, as some schedulers set it, does not start anything
    launched = all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    if not launched or os.environ["WORLD_SIZE"] == "1":
        yield None
        return
    from torch.distributed.rendezvous import rendezvous

    # connect, send heartbeats, and turn the signal of torchrun into an error
    store, rank, size = next(rendezvous("env://", timeout=timedelta(minutes=5)))
    ranks = Ranks(rank, size, store)
    done = threading.Event()
    threading.Thread(target=ranks._send_heartbeats, args=(done,), daemon=True).start()
    previous = signal.signal(signal.SIGTERM, _raise_on_sigterm)
    try:
        yield ranks
    except BaseException as error:
        # the other ranks would wait in vain, so send them the reason
        with suppress(RuntimeError):
            reason = str(error).rstrip(".") if isinstance(error, GenbenchError) else type(error).__name__
            store.set("failed", f"Rank {rank} stopped ({reason})")
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        done.set()


def _raise_on_sigterm(*_: object) -> None:
    raise InputError(f"This rank was terminated, as torchrun does after another rank has died; {RESUME_HINT}")
