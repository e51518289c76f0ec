"""A server of files on this computer that can also fail in the ways of real servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves ``contents`` by path.

    A first folder changes the answer: /short/x breaks off in the middle, /stall/x stops there and sends nothing more,
    /held/x waits there for ``released``, /silent/x sends nothing at all, /moved/x redirects to /x, and /plain/x has no
    length. Everything else is a 404.
    """

    daemon_threads = True
    # handlers that stall are not waited for
    block_on_close = False

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents = contents
        self.requests: list[str] = []
        self.released = threading.Event()
        self.stopped = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        folder, _, name = self.path[1:].rpartition("/")
        content = self.server.contents.get(f"/{name}")
        if content is None or folder not in ("", "short", "stall", "silent", "moved", "held", "plain"):
            return self.send_error(404)
        if folder == "silent":
            self.server.stopped.wait()
            return None
        self.send_response(302 if folder == "moved" else 200)
        if folder == "moved":
            self.send_header("Location", f"/{name}")
        elif folder != "plain":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if folder != "moved":
            self._send(folder, content)
        return None

    def _send(self, folder: str, content: bytes) -> None:
        half = len(content) // 2
        self.wfile.write(content[:half])
        if folder == "stall":
            self.server.stopped.wait()
        elif folder == "held":
            self.server.released.wait()
        if folder not in ("short", "stall"):
            self.wfile.write(content[half:])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(contents: dict[str, bytes]) -> Iterator[FileServer]:
    """Run a server of these contents for the block."""
    server = FileServer(contents)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
