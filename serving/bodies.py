"""A request's body as it streams in: capped in bytes, in the time that a slow sender may take, heard out if refused."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Send

MB = 1024**2
CLOSE = {"Connection": "close"}  # what the client still sends belongs to nobody
LINGER_S, LINGER_BYTES = 2.0, 64 * MB


@dataclass(frozen=True)
class BodyLimits:
    """What a body may be: at most ``size`` bytes within ``total_s`` seconds, and ``rate`` bytes/s after ``grace_s``.

    ``setting`` is what raises the size.
    """

    size: int = 256 * MB
    rate: float = 16 * 1024
    grace_s: float = 10.0
    total_s: float = 600.0
    setting: str = "SWATH_MAX_BODY_MB"

    def too_large(self, size: int) -> str:
        """The sentence for a body of ``size`` bytes or more."""
        accepted = f"at most {self.size} are accepted ({self.setting})"
        return f"the body has {size} bytes or more, {accepted}; send a smaller window, or a job"

    def patience_s(self, arrived: int) -> float:
        """Seconds from the start within which more must come after ``arrived`` bytes."""
        return min(self.total_s, self.grace_s + arrived / self.rate)

    def too_slow(self, arrived: int, seconds: float) -> str:
        """The sentence for a body that did not come in time."""
        expected = f"expected {self.rate:.0f} bytes/s after {self.grace_s:g} s, and all within {self.total_s:g} s"
        settings = "SWATH_BODY_RATE, SWATH_BODY_GRACE_S, SWATH_BODY_TOTAL_S"
        return f"{arrived} bytes arrived in {seconds:.1f} s, {expected} ({settings}); send it again"


def limited(receive: Receive, limits: BodyLimits) -> Receive:
    """``receive`` that raises once too much has arrived (413) or too little in the time (408), whatever headers say.

    What the application does after the whole body has come is not timed.
    """
    began, arrived, whole = time.monotonic(), 0, False

    async def receive_limited() -> Message:
        nonlocal arrived, whole
        if whole:
            return await receive()
        spent = time.monotonic() - began
        try:
            async with asyncio.timeout(max(limits.patience_s(arrived) - spent, 0.0)):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, limits.too_slow(arrived, time.monotonic() - began), CLOSE) from None
        arrived += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if arrived > limits.size:
            raise HTTPException(413, limits.too_large(arrived), CLOSE)
        return message

    return receive_limited


def heard_out(receive: Receive, send: Send) -> Send:
    """``send`` that ends an answer with ``Connection: close`` only when the client has stopped sending, or soon after.

    A socket closed on bytes that nobody read resets the connection, and a client that still writes then never reads
    the refusal. The answer goes out whole at once; up to 64 MB of what still comes are dropped for 2 s.
    """
    closing = False

    async def send_and_listen(message: Message) -> None:
        nonlocal closing
        if message["type"] == "http.response.start":
            closing = Headers(raw=list(message.get("headers", []))).get("connection", "").lower() == "close"
        if not closing or message["type"] != "http.response.body" or message.get("more_body", False):
            await send(message)
            return
        await send({**message, "more_body": True})
        await _drop(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_and_listen


async def _drop(receive: Receive) -> None:
    dropped = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while dropped < LINGER_BYTES:
                message = await receive()
                dropped += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
