"""What every request meets before anything reads it: tokens, content types, body size, and a bounded queue."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.settings import Settings, load_settings
from serving.errors import answer

OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz"})  # what a balancer asks; says nothing of models
PICKLES = ("pickle", "x-python", "joblib", "dill")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})
MB = 1024**2
SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'",
    b"x-frame-options": b"DENY",
}


@dataclass(frozen=True)
class GuardLimits:
    """How much is let in. Memory is bounded by ``body_bytes`` times ``waiting``; tokens are kept as digests."""

    body_bytes: int = 256 * MB
    waiting: int = 16
    token_digests: frozenset[str] = field(default_factory=frozenset, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> GuardLimits:
        """The limits that the settings name."""
        tokens = (token.strip() for token in settings.tokens.split(","))
        return cls(settings.max_body_mb * MB, settings.max_waiting, frozenset(digest(t) for t in tokens if t))


class Guard:
    """ASGI middleware around the whole service, BentoML's own routes included.

    Refuses in this order: 401 without a valid token (or, where no tokens are set, from another machine), 415 for
    pickles on every route, 413 for a body above the cap (by its header, or while it streams in, before it is in
    memory), 429 when too many requests are inside.
    """

    def __init__(self, app: ASGIApp, limits: GuardLimits | None = None) -> None:
        self.app = app
        self.limits = limits or GuardLimits.of(load_settings())
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a request, or hands it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = _with_security_headers(send)
        headers = Headers(scope=scope)
        refusal = self._unknown(scope, headers) or _pickled(headers) or self._too_large(headers)
        if refusal:
            status, message = refusal
            await answer(status, "Refused", message, _challenge(status))(scope, receive, send)
        elif scope["method"] == "POST":
            await self._admit(scope, receive, send)
        else:
            await self.app(scope, self._capped(receive), send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._inside >= self.limits.waiting:
            text = f"{self._inside} requests are inside, at most {self.limits.waiting} are let in; try again soon"
            await answer(429, "Refused", text)(scope, receive, send)
            return
        self._inside += 1
        try:
            await self.app(scope, self._capped(receive), send)
        finally:
            self._inside -= 1

    def _unknown(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if scope["path"] in OPEN_PATHS:
            return None
        if not self.limits.token_digests:
            host = (scope.get("client") or ("", 0))[0]
            if host in LOOPBACK:
                return None
            return 401, "requests from other machines need a token; set SWATH_TOKENS where the service runs"
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_known(token.strip(), self.limits.token_digests):
            return None
        return 401, "send a valid token: Authorization: Bearer <token>"

    def _too_large(self, headers: Headers) -> tuple[int, str] | None:
        text = headers.get("content-length", "0")
        if not text.isdigit():
            return 400, "Content-Length is no number"
        if int(text) > self.limits.body_bytes:
            return 413, self._cap_message(int(text))
        return None

    def _capped(self, receive: Receive) -> Receive:
        """``receive`` that stops once more than the cap has arrived, whatever the headers said."""
        arrived = 0

        async def capped() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self.limits.body_bytes:
                raise HTTPException(413, self._cap_message(arrived), {"Connection": "close"})
            return message

        return capped

    def _cap_message(self, size: int) -> str:
        cap = self.limits.body_bytes
        return (
            f"the body has {size} bytes or more, at most {cap} are accepted (SWATH_MAX_BODY_MB); send a smaller window"
        )


def digest(token: str) -> str:
    """SHA-256 of a token: what is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_known(token: str, digests: Iterable[str]) -> bool:
    """True where the token is one of those behind ``digests``; takes the same time whichever it is."""
    found = digest(token)
    return sum(hmac.compare_digest(found, known) for known in digests) > 0  # a sum: every one is compared


def _pickled(headers: Headers) -> tuple[int, str] | None:
    kind = headers.get("content-type", "").lower()
    if any(word in kind for word in PICKLES):
        return 415, "pickles are accepted nowhere; send multipart/form-data with GeoTIFF files"
    return None


def _challenge(status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Connection": "close"} if status == 413 else {}


def _with_security_headers(send: Send) -> Send:
    async def secured(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            extra = [(name, text) for name, text in SECURITY_HEADERS.items() if name not in present]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return secured
