"""A real S3 server on this computer, and a slow link to it."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging import CRITICAL, getLogger
from urllib.request import Request, urlopen

import pytest


@contextmanager
def bucket_server(bucket: str = "shared") -> Iterator[dict[str, str]]:
    """Run moto's S3 server with one bucket; yield the environment variables with which S3 clients use it."""
    server_module, s3fs = pytest.importorskip("moto.server"), pytest.importorskip("s3fs")
    getLogger("werkzeug").setLevel(CRITICAL)
    server = server_module.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        # all servers of a process have the same buckets
        urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")).close()
        s3fs.S3FileSystem(key="key", secret="secret", endpoint_url=endpoint, skip_instance_cache=True).mkdir(bucket)
        yield environment_of(endpoint)
    finally:
        server.stop()


def environment_of(endpoint: str) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    return {"AWS_ENDPOINT_URL": endpoint, **keys}


@contextmanager
def slow_link(endpoint: str, round_trip: float) -> Iterator[str]:
    """Yield an endpoint that passes everything on with a delay: ``round_trip`` seconds for a question and its answer.

    A new connection costs one round trip, as with TCP. The number of bytes a second is not limited.
    """
    host, port = endpoint.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve() -> None:
        # the loop ends when the listener is closed
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((host, int(port)))
                for one in (near, far):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened = time.monotonic() + round_trip
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(*pair, round_trip / 2, opened), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield "http://{}:{}".format(*listener.getsockname())
    finally:
        listener.close()


def _pass_on(source: socket.socket, target: socket.socket, delay: float, opened: float) -> None:
    """Send what comes from one socket to the other one, each piece ``delay`` seconds later."""
    pieces: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def deliver() -> None:
        with suppress(OSError):
            while True:
                due, piece = pieces.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(piece)

    threading.Thread(target=deliver, daemon=True).start()
    with suppress(OSError):
        while True:
            piece = source.recv(1 << 16)
            pieces.put((max(opened, time.monotonic()) + delay, piece))
            if not piece:
                return
    pieces.put((time.monotonic(), b""))
