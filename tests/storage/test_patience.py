from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from urllib3.exceptions import NewConnectionError, ProtocolError

from components.errors import StoreUnavailable
from components.storage.patience import Patience
from components.storage.store import Store, StoreAccess

QUICK = Patience(attempts=4, first_s=0.01, longest_s=0.02)


class Failing(BaseHTTPRequestHandler):
    """An S3 server that fails as often as it is told, then keeps one object."""

    protocol_version = "HTTP/1.1"
    failures: list[str]
    held: bytes | None
    obeys: bool

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        failure = self.failures.pop(0) if self.failures else ""
        if failure.isdigit():
            return self._answer(int(failure))
        taken = type(self).obeys and type(self).held is not None and self.headers["If-None-Match"] == "*"
        if not taken:
            type(self).held = body
        if failure == "lost answer":
            return self.connection.shutdown(socket.SHUT_RDWR)
        return self._answer(412 if taken else 200)

    def do_GET(self):
        self._answer(200, type(self).held or b"")

    def do_HEAD(self):
        self._answer(200)

    def do_DELETE(self):
        self._answer(204)

    def _answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("ETag", '"tag"')
        self.send_header("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def failing() -> Iterator[tuple[type[Failing], Store]]:
    handler = type("Handler", (Failing,), {"failures": [], "held": None, "obeys": True})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, Store(StoreAccess(f"127.0.0.1:{server.server_port}", "key", "secret", "bucket"), QUICK)
    server.shutdown()
    server.server_close()


def test_a_store_that_recovers_costs_time_and_nothing_else(failing):
    handler, store = failing
    handler.failures += ["500", "503", "429"]
    assert store.put_new("key", b"data")
    assert handler.held == b"data"


def test_a_store_that_keeps_failing_is_given_up_with_its_key(failing, caplog):
    handler, store = failing
    handler.failures += ["503"] * 9
    with pytest.raises(StoreUnavailable, match=r"bucket/some/key: the store fails \(HTTP 503\)"):
        store.put_new("some/key", b"data")
    assert len(handler.failures) == 9 - QUICK.attempts
    assert "Signature" not in caplog.text


def test_a_refusal_is_not_tried_again(failing):
    handler, store = failing
    handler.failures += ["400", "400"]
    with pytest.raises(StoreUnavailable, match="HTTP 400"):
        store.put_new("key", b"data")
    assert handler.failures == ["400"]


def test_a_write_whose_answer_was_lost_is_known_as_our_own(failing):
    handler, store = failing
    handler.failures += ["lost answer"]
    assert store.put_new("key", b"data")


def test_a_write_that_lost_the_race_after_a_failure_is_not_taken_for_our_own(failing):
    handler, store = failing
    handler.held = b"of somebody else"
    handler.failures += ["500"]
    assert not store.put_new("key", b"data")


def test_a_store_that_ignores_conditions_is_refused(failing):
    handler, store = failing
    handler.obeys = False
    with pytest.raises(StoreUnavailable, match=r"ignores If-None-Match; use one with conditional writes"):
        store.probe_conditional_writes()


def test_the_default_waits_out_half_a_minute():
    waits: list[float] = []

    def call():
        raise ProtocolError("connection reset")

    with pytest.raises(StoreUnavailable):
        Patience().keep("here", call, waits.append)
    assert 30 < sum(waits) < 45
    assert waits == sorted(waits)


def test_a_server_that_does_not_run_is_given_up_sooner():
    waits: list[float] = []

    def call():
        raise NewConnectionError(None, "refused")

    with pytest.raises(StoreUnavailable):
        Patience().keep("here", call, waits.append)
    assert sum(waits) < 5
