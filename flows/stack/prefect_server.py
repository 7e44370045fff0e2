"""The Prefect server of the embedded stack: `python -m flows.stack.prefect_server --port 4200`.

Its database is SQLite. A transaction that reads and then writes fails at once when another one wrote in between
(``SQLITE_BUSY_SNAPSHOT``; no waiting time of the database helps), and the server answers 503, "try again". Prefect's
Python client does; its user interface shows "Something went wrong" and loses the form that a person filled in: seen in
a quarter of the forms sent while both cores were busy. So the server tries again by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
WRITES = ("POST", "PUT", "PATCH", "DELETE")
DELAYS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # a server under load has recovered by then, and a browser still waits


class Patient:
    """An ASGI app whose writes are tried again while it answers 503: nothing of the failed try was kept."""

    def __init__(self, app: ASGIApp, delays_s: Sequence[float] = DELAYS_S) -> None:
        self._app, self._delays_s = app, delays_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does; of its 503 answers to a write, only the last is sent."""
        if scope["type"] != "http" or scope["method"] not in WRITES:
            await self._app(scope, receive, send)
            return
        request = await _whole(receive)
        for delay in self._delays_s:
            answer = _Unless503(send)
            try:
                await self._app(dict(scope), _again(request, receive), answer)
            except Exception:  # the app sends its 503 and then raises what it was for
                if not answer.refused:
                    raise
            if not answer.refused:
                return
            log.info("%s %s: the database was busy; again in %g s", scope["method"], scope["path"], delay)
            await asyncio.sleep(delay)
        await self._app(scope, _again(request, receive), send)


class _Unless503:
    """Passes an answer on, unless it is a 503: then none of it."""

    def __init__(self, send: Send) -> None:
        self._send, self.refused = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
            self.refused = True
        if not self.refused:
            await self._send(message)


async def _whole(receive: Receive) -> list[Message]:
    """The messages of a request up to the end of its body, or of its sender's patience."""
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _again(request: Sequence[Message], receive: Receive) -> Receive:
    """The request from its beginning; what follows it comes from the client."""
    kept = iter(request)

    async def following() -> Message:
        message = next(kept, None)
        return await receive() if message is None else message

    return following


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal comes; every setting of Prefect's counts (`PREFECT_*`)."""
    parser = argparse.ArgumentParser(prog="python -m flows.stack.prefect_server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4200)
    options = parser.parse_args(arguments)
    api = get_current_settings().server.api
    uvicorn.run(
        Patient(create_app(final=True)),
        host=options.host,
        port=options.port,
        timeout_keep_alive=api.keepalive_timeout,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
