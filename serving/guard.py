"""What every request meets before anything reads it: tokens, content types, body size and speed, a bounded queue."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from components.settings import Settings, load_settings
from serving.bodies import CLOSE, MB, BodyLimits, heard_out, limited
from serving.errors import answer
from serving.tokens import OPEN_PATHS, Tokens, scope_of

PICKLES = ("pickle", "x-python", "joblib", "dill")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})
SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
}
Refusal = tuple[int, str, dict[str, str]]


@dataclass(frozen=True)
class GuardLimits:
    """How much is let in: what uploads take is bounded by ``body.size`` times ``waiting``, and so for jobs."""

    body: BodyLimits = field(default_factory=BodyLimits)
    waiting: int = 16
    job_body: BodyLimits = field(default_factory=BodyLimits)
    job_uploads: int = 4
    tokens: Tokens = field(default_factory=Tokens)

    @classmethod
    def of(cls, settings: Settings) -> GuardLimits:
        """The limits that the settings name.

        Raises:
            BadTokens: if the tokens cannot be understood.
        """
        rate, grace_s, setting = settings.body_rate, settings.body_grace_s, "SWATH_MAX_JOB_BODY_MB"
        body = BodyLimits(settings.max_body_mb * MB, rate, grace_s, settings.body_total_s)
        job_body = BodyLimits(settings.max_job_body_mb * MB, rate, grace_s, settings.job_body_total_s, setting)
        tokens = Tokens.of(settings.tokens)
        return cls(body, settings.max_waiting, job_body, settings.max_job_uploads, tokens)


@dataclass
class Gate:
    """Counts who is inside; only the event loop touches it."""

    limit: int
    setting: str
    inside: int = 0

    def full(self) -> Refusal | None:
        """The refusal where nobody more is let in."""
        if self.inside < self.limit:
            return None
        text = f"{self.inside} requests are inside, at most {self.limit} are let in ({self.setting})"
        return 429, f"{text}; try again after Retry-After seconds", {}


class Guard:
    """ASGI middleware around the whole service, BentoML's own routes included.

    Refuses in this order: 401 without a valid token (or, where no tokens are set, from another machine), 403 for a
    token that may do other things, 415 for pickles on every route, 413 for a body above the cap (by its header, or
    while it streams in, before it is in memory), 429 when too many requests are inside, 408 for a body that drips.
    """

    def __init__(self, app: ASGIApp, limits: GuardLimits | None = None) -> None:
        from serving.metrics import shared  # here: BentoML must have named its metrics folder first

        self.app = app
        self.limits = limits or GuardLimits.of(load_settings())
        self._predictions = Gate(self.limits.waiting, "SWATH_MAX_WAITING")
        self._jobs = Gate(self.limits.job_uploads, "SWATH_MAX_JOB_UPLOADS")
        self._gauge = shared().inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a request, or hands it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = _with_security_headers(heard_out(receive, send))
        headers, is_job = Headers(scope=scope), scope_of(scope["path"]) == "jobs"
        body, gate = (self.limits.job_body, self._jobs) if is_job else (self.limits.body, self._predictions)
        refusal = self._unknown(scope, headers) or _pickled(headers) or _too_large(headers, body)
        if refusal is None and scope["method"] == "POST":
            refusal = gate.full()
        if refusal is None:
            await self._hand_on(scope, limited(receive, body), send, gate)
        else:
            status, message, extra = refusal
            await answer(status, "Refused", message, extra)(scope, receive, send)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send, gate: Gate) -> None:
        if scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        gate.inside += 1
        self._gauge.inc()
        try:
            await self.app(scope, receive, send)
        finally:
            gate.inside -= 1
            self._gauge.dec()

    def _unknown(self, scope: Scope, headers: Headers) -> Refusal | None:
        if scope["path"] in OPEN_PATHS:
            return None
        if not self.limits.tokens:
            host = (scope.get("client") or ("", 0))[0]
            if host in LOOPBACK:
                return None
            text = "requests from other machines need a token; set SWATH_TOKENS where the service runs"
            return 401, text, {"WWW-Authenticate": "Bearer"}
        allowed = self.limits.tokens.scopes_of(headers.get("authorization", ""))
        if allowed is None:
            return 401, "send a valid token: Authorization: Bearer <token>", {"WWW-Authenticate": "Bearer"}
        needed = scope_of(scope["path"])
        if needed in allowed:
            return None
        return 403, f"this token may {', '.join(sorted(allowed))}; a token with the scope {needed} is needed", {}


def _too_large(headers: Headers, body: BodyLimits) -> Refusal | None:
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        return 400, "Content-Length is no number", CLOSE
    size = int(text[:20])
    return (413, body.too_large(size), CLOSE) if size > body.size else None


def _pickled(headers: Headers) -> Refusal | None:
    kind = headers.get("content-type", "").lower()
    if any(word in kind for word in PICKLES):
        return 415, "pickles are accepted nowhere; send multipart/form-data with GeoTIFF files", {}
    return None


def _with_security_headers(send: Send) -> Send:
    async def secured(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            extra = [(name, text) for name, text in SECURITY_HEADERS.items() if name not in present]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return secured
