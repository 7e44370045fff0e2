"""One attempt at one file over HTTP, going on where the last one stopped."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from components.raster.atomic import write_text

READ_BYTES = 1024**2
BUSY = {408, 425, 429}


class Gone(Exception):
    """Asking again will not help."""


class NotYet(Exception):
    """Asking again may help, after ``wait_s`` seconds where the server said so; ``spoilt``: what came was wrong."""

    def __init__(self, reason: str, wait_s: float | None = None, *, spoilt: bool = False) -> None:
        super().__init__(reason)
        self.wait_s, self.spoilt = wait_s, spoilt


def transfer(client: httpx.Client, url: str, part: Path, size: int | None, most: int, is_sure: bool) -> None:
    """All bytes of ``url`` in ``part``; those that lie there already are not asked for again.

    It goes on only where the server can say that the file is still the same (an entity tag or a date), or where a
    checksum will tell (``is_sure``).

    Raises:
        NotYet: if the server is busy or broken, or the body ended early (``part`` keeps what came) or has another size.
        Gone: if there is no such file, or it has more than ``most`` bytes.
    """
    start, validator = _resumable(part, is_sure)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": validator} if validator else {})
    try:
        with client.stream("GET", url, headers=headers) as answer:
            start = _start(answer, start, part)
            total = _total(answer, start)
            _require_size(total, size, most)
            _remember(part, answer)
            _append(answer, part, start, most)
    except (httpx.TransportError, httpx.StreamError, httpx.TooManyRedirects, httpx.InvalidURL) as error:
        raise NotYet(f"the connection failed ({type(error).__name__})") from None  # the cause may quote a signed link
    found = part.stat().st_size
    expected = size if total is None else total
    if expected is not None and found < expected:
        raise NotYet(f"the body ended after {found} of {expected} bytes")
    if expected is not None and found > expected:
        part.unlink()
        raise NotYet(f"{found} bytes came, {expected} were announced", spoilt=True)
    _note(part).unlink(missing_ok=True)


def _resumable(part: Path, is_sure: bool) -> tuple[int, str | None]:
    """How many bytes lie here already, and by what the server knows the file that they are of."""
    if not part.is_file():
        return 0, None
    validator = json.loads(_note(part).read_text())["validator"] if _note(part).is_file() else None
    return (part.stat().st_size if validator or is_sure else 0), validator


def _start(answer: httpx.Response, asked: int, part: Path) -> int:
    """Where the body begins; raises what an answer without the wanted bytes means."""
    status = answer.status_code
    if status == 206 and asked:
        found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if found and int(found[1]) == asked:
            return asked
        part.unlink()
        raise NotYet("the server sent other bytes than were asked for", spoilt=True)
    if status == 200:
        return 0
    if status == 416:  # nothing after what lies here: it is whole, or it is not of this file
        part.unlink()
        raise NotYet("the server has fewer bytes than lie here")
    if status in BUSY or status >= 500:
        raise NotYet(f"HTTP {status}", _retry_after(answer.headers.get("Retry-After")))
    if status in (401, 403):  # a signed link may have expired meanwhile
        raise NotYet(f"HTTP {status}: not allowed; look at layout.sign")
    raise Gone(f"HTTP {status}")


def _retry_after(text: str | None) -> float | None:
    """Seconds from a Retry-After header, which holds a number or a date; None where there is none."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _total(answer: httpx.Response, start: int) -> int | None:
    length = answer.headers.get("Content-Length")
    return start + int(length) if length is not None and length.isdigit() else None


def _require_size(total: int | None, size: int | None, most: int) -> None:
    if total is not None and size is not None and total != size:
        raise NotYet(f"the server has {total} bytes, the item says {size}", spoilt=True)
    if total is not None and total > most:
        raise Gone(f"{total} bytes, at most {most} are accepted")


def _remember(part: Path, answer: httpx.Response) -> None:
    tag = answer.headers.get("ETag")
    strong = tag if tag and not tag.startswith("W/") else None
    write_text(_note(part), json.dumps({"validator": strong or answer.headers.get("Last-Modified")}))


def _append(answer: httpx.Response, part: Path, start: int, most: int) -> None:
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        for piece in answer.iter_raw(READ_BYTES):
            file.write(piece)
            if file.tell() > most:
                raise Gone(f"more than the {most} bytes that are accepted")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
