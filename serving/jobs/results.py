"""A result over HTTP: whole, or the range that was asked for, read from the store piece by piece."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

PIECE_BYTES = 4 * 1024**2  # what one answer holds in memory
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

Read = Callable[[int, int], bytes]  # start, length


@dataclass(frozen=True)
class Stored:
    """A result in the store: its bytes never change, so its digest is its entity tag."""

    digest: str
    size: int
    media_type: str
    read: Read

    @property
    def etag(self) -> str:
        """The strong entity tag."""
        return f'"{self.digest}"'


def answer_with(stored: Stored, request: Headers, method: str, extra: dict[str, str]) -> Response:
    """200, 206 for one range, 304 for what the caller has already, 416 for a range beyond the end.

    Several ranges at once, or a range of another version (If-Range), are answered with the whole, as RFC 9110 allows.
    """
    headers = {"ETag": stored.etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache", **extra}
    if stored.etag in [tag.strip() for tag in request.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    wanted = request.get("range", "") if request.get("if-range", stored.etag) == stored.etag else ""
    found = _RANGE.fullmatch(wanted.replace(" ", ""))
    start, end = (0, stored.size) if found is None else _bounds(found, stored.size)
    if start >= end and found is not None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{stored.size}"})
    status = 200
    if found is not None:
        status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{stored.size}"
    headers["Content-Length"] = str(end - start)
    if method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=stored.media_type)
    return StreamingResponse(_pieces(stored.read, start, end), status, headers, stored.media_type)


def _bounds(found: re.Match[str], size: int) -> tuple[int, int]:
    """First byte and the one after the last; nothing between them where the range cannot be satisfied."""
    first, last = found.groups()
    if not first:
        return (max(size - int(last), 0), size) if last and int(last) else (0, 0)
    return int(first), min(int(last) + 1, size) if last else size


async def _pieces(read: Read, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        piece = await asyncio.to_thread(read, start, min(PIECE_BYTES, end - start))
        start += len(piece)
        yield piece
