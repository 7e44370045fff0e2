"""What is known of a request from outside: its id in answer and log, one JSON line, one count. No caller's words."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import uuid
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from serving.metrics import Metrics

logger = logging.getLogger(__name__)
request_id: ContextVar[str] = ContextVar("request_id", default="")
HEADER = "X-Request-Id"
SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
ROUTES = ("models", "jobs", "metrics", "livez", "readyz", "healthz", "docs", "openapi.json", "docs.json")
QUIET = frozenset({"livez", "readyz", "healthz", "metrics"})  # asked every few seconds: counted, not logged


@dataclass
class Observation:
    """What one request turned out to be; endpoints fill in what they know."""

    route: str
    id: str
    from_caller: bool = False
    task: str = ""
    run: str = ""
    version: str = ""
    pixels: int = 0


class Observer:
    """The outermost ASGI middleware: gives each request an id and notes how it ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics | None = None) -> None:
        from serving.metrics import shared  # here: BentoML must have named its metrics folder first

        self.app, self.metrics = app, metrics or shared()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, and notes its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = scope["swath"] = observation(scope)
        token, began, status = request_id.set(seen.id), time.perf_counter(), 499  # 499: nobody waited for the answer

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = seen.id
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self._note(seen, status, time.perf_counter() - began)
            request_id.reset(token)

    def _note(self, seen: Observation, status: int, seconds: float) -> None:
        self.metrics.note(seen, status, seconds)
        if seen.route not in QUIET:
            fields = {"route": seen.route, "status": status, "seconds": round(seconds, 4)}
            known = {"task": seen.task, "run": seen.run, "version": seen.version, "pixels": seen.pixels}
            logger.info("answered", extra={"fields": fields | {key: value for key, value in known.items() if value}})


def observation(scope: Scope) -> Observation:
    """What a request's head says: its route, and its id, the caller's where that is a plain token."""
    sent = Headers(scope=scope).get(HEADER, "")
    first, _, rest = scope["path"].strip("/").partition("/")
    is_prediction = scope["method"] == "POST" and rest in ("", "series")
    unnamed = "docs" if not first else "predict" if is_prediction else "other"
    route = first if first in ROUTES else unnamed
    if SANE.fullmatch(sent):
        return Observation(route, sent, from_caller=True)
    return Observation(route, uuid.uuid4().hex)


def seen_in(scope: Scope) -> Observation:
    """The observation of a request; one that nobody reads where no `Observer` stands around the application."""
    found = scope.get("swath")
    return found if isinstance(found, Observation) else observation(scope)


class JsonLines(logging.Formatter):
    """A log record as one line of JSON, with the id of the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({key: value for key, value in line.items() if value != ""})


def install_logs(stream: TextIO | None = None) -> None:
    """The loggers of our packages write JSON lines to ``stream``: to the standard output, beside BentoML's own."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines())
    for name in ("serving", "components", "models"):
        ours = logging.getLogger(name)
        ours.handlers, ours.propagate = [handler], False
        ours.setLevel(logging.INFO)
