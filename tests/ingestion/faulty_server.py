"""A file server on loopback that serves ranges as object stores do, and fails as they do, on demand."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Fault = Callable[["Handler", bytes], None]


class Files(ThreadingHTTPServer):
    """Files below a folder; ``faults[path]`` are used up one a request; ``asked`` lists (path, Range header)."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.asked: list[tuple[str, str | None]] = []
        self.running = 0
        self.most_running = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Files

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.running += 1
            server.most_running = max(server.most_running, server.running)
            server.asked.append((self.path, self.headers.get("Range")))
            fault = server.faults[self.path.partition("?")[0]]
            todo = fault.pop(0) if fault else None
        try:
            self._answer(todo)
        finally:
            with server.lock:
                server.running -= 1

    def _answer(self, fault: Fault | None) -> None:
        path = self.server.folder / self.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            self.say(404)
            return
        content = path.read_bytes()
        if fault is not None:
            fault(self, content)
            return
        self.serve(content)

    def serve(self, content: bytes) -> None:
        tag = f'"{md5(content).hexdigest()}"'
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and self.headers.get("If-Range", tag) == tag else 0
        headers = {"ETag": tag, "Content-Length": str(len(content) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.say(206 if start else 200, headers, content[start:])

    def say(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if self.close_connection:
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


def busy(status: int = 503, retry_after: str | None = "0") -> Fault:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return lambda handler, _: handler.say(status, headers)


def cut(share: float = 0.5) -> Fault:
    """The body breaks off in the middle, the connection with it."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.close_connection = True
        tag = f'"{md5(content).hexdigest()}"'
        handler.say(200, {"ETag": tag, "Content-Length": str(len(content))}, content[: int(len(content) * share)])

    return fault


def other(content: bytes) -> Fault:
    """Other bytes than those of the file."""
    return lambda handler, _: handler.serve(content)


@contextmanager
def serving(folder: Path) -> Iterator[Files]:
    server = Files(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
