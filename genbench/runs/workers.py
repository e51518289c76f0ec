"""Worker processes that end when their command ends, however it ends, and the signals that end a command."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from genbench.errors import PlugError

GRACE_SECONDS = 1.0
"""How long a worker may clean up after its command has ended: stop its programs and delete their files."""


Submit = Callable[..., Future[Any]]
"""Takes a function and its arguments, and returns the future of its result."""

_command_has_ended = threading.Event()
"""Set in a worker that must end."""


@contextmanager
def worker_pool(jobs: int) -> Iterator[Submit]:
    """Yield a function that submits tasks to processes with one thread each.

    After an error in the block, tasks that have not started are cancelled and the others are finished. If the block is
    interrupted, or this process dies, the workers end within a second. Raises PlugError if a worker is killed.
    """
    # nothing is ever sent: the workers notice when this end is closed, which the system does if this process dies
    watched, held = get_context("spawn").Pipe(duplex=False)
    # spawned processes inherit no threads and no state of CUDA
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _prepare_worker, (watched,))
    try:
        yield lambda task, *arguments: pool.submit(_run_task, task, *arguments)
    except BrokenProcessPool as error:
        raise PlugError(
            "A worker process was killed, perhaps because the memory was full; run the same command again with fewer "
            "--jobs to continue."
        ) from error
    except Exception:
        raise
    except BaseException:
        held.close()
        raise
    finally:
        # a second interrupt may come during the wait
        try:
            pool.shutdown(cancel_futures=True)
        finally:
            held.close()
            watched.close()


def _run_task(task: Callable[..., Any], *arguments: Any) -> Any:
    """Call a task in a worker; end the worker if its command has ended, because the pool would start the next task."""
    try:
        if not _command_has_ended.is_set():
            return task(*arguments)
    except KeyboardInterrupt:
        if not _command_has_ended.is_set():
            raise
    os._exit(1)


def _prepare_worker(command: Connection) -> None:
    """Let the worker end with its command, and limit it to one thread: more threads than cores would wait."""
    # Ctrl-C reaches every process of a terminal: the command decides, and closes its end
    signal.signal(signal.SIGINT, _do_nothing)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    threading.Thread(target=_end_with, args=(command,), daemon=True).start()
    # one thread for torch, and for the libraries of numpy and scipy
    import scipy.linalg  # noqa: F401 - threadpoolctl limits only libraries that are already loaded
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
    sys.stdout = sys.stderr  # stdout is for data; a guest may print anything


def _end_with(command: Connection) -> None:
    """End this process when the command closes its end of the pipe, or has died."""
    with suppress(OSError):
        command.poll(None)
    _command_has_ended.set()
    _say_nothing()
    # KeyboardInterrupt in the main thread runs the clean-up of samplers that start programs
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
    os._exit(1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt without a traceback on the terminal: the command, or the pool, has ended this worker."""
    _say_nothing()
    signal.default_int_handler(number, frame)


def _say_nothing() -> None:
    # nobody reads what this process still has to say
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stderr__.fileno() if sys.__stderr__ else 2)


def _do_nothing(*_: Any) -> None:
    # unlike SIG_IGN, a handler is not inherited by the programs that a worker starts
    pass


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do in the block what SIGINT (Ctrl-C) does: raise KeyboardInterrupt.

    Signals that are ignored, as under ``nohup``, stay ignored.
    """
    previous = {}
    # only the main thread of a process can set handlers
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                previous[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
