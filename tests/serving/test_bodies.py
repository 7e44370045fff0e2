from __future__ import annotations

import asyncio
import socket
import threading
import time

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serving.bodies import BodyLimits, limited
from serving.errors import answer_of_http
from serving.guard import Guard, GuardLimits


def run(parts, limits, then=()):
    """What comes of a body whose parts arrive after so many seconds each."""
    waiting = list(parts)

    async def receive():
        if not waiting:
            return {"type": "http.disconnect"}
        wait_s, size, more = waiting.pop(0)
        await asyncio.sleep(wait_s)
        return {"type": "http.request", "body": b"0" * size, "more_body": more}

    async def read():
        receive_limited, size = limited(receive, limits), 0
        while True:
            message = await receive_limited()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        for wait_s in then:
            waiting.append((wait_s, 0, False))
            await receive_limited()
        return size

    return asyncio.run(read())


def test_a_body_within_its_limits_comes_through_whole():
    assert run([(0, 600, True), (0, 400, False)], BodyLimits(1000)) == 1000


def test_one_byte_more_than_the_cap_is_refused_as_soon_as_it_comes():
    with pytest.raises(HTTPException, match=r"SWATH_MAX_BODY_MB") as refused:
        run([(0, 600, True), (0, 401, True), (99, 0, False)], BodyLimits(1000))
    assert (refused.value.status_code, refused.value.headers) == (413, {"Connection": "close"})


def test_a_drip_is_refused_once_its_grace_is_over():
    limits = BodyLimits(1000, rate=100, grace_s=0.2)
    with pytest.raises(HTTPException, match=r"bytes arrived in 0\.[23].*SWATH_BODY_RATE") as refused:
        run([(0.05, 1, True)] * 100, limits)
    assert refused.value.status_code == 408


def test_bytes_that_came_early_count():
    assert run([(0, 100, True), (0.4, 1, False)], BodyLimits(1000, rate=100, grace_s=0.1)) == 101


def test_a_body_has_a_time_in_all():
    with pytest.raises(HTTPException, match=r"all within 0\.3 s"):
        run([(0.1, 100, True)] * 9, BodyLimits(10_000, rate=1, grace_s=60, total_s=0.3))


def test_what_the_application_does_after_the_body_is_not_timed():
    assert run([(0, 10, False)], BodyLimits(1000, rate=100, grace_s=0.05, total_s=0.1), then=[0.3]) == 10


@pytest.fixture
def address():
    """A server behind the guard that takes 1 MB, and nobody who lets it wait half a second."""

    async def take(request):
        return PlainTextResponse(str(len(await request.body())))

    inner = Starlette(routes=[Route("/x", take, methods=["POST"])], exception_handlers={HTTPException: answer_of_http})
    limits = GuardLimits(BodyLimits(2**20, rate=1000, grace_s=0.5))
    server = uvicorn.Server(uvicorn.Config(Guard(inner, limits), log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        serving.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        server.should_exit = True
        serving.join(20)


def asked(address, size, parts, pause_s=0.0):
    """Status and seconds of one request whose body is streamed by an asynchronous client."""

    async def body():
        for _ in range(parts):
            await asyncio.sleep(pause_s)
            yield b"0" * size

    async def ask():
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=30) as client:
            status = (await client.post(address, content=body())).status_code
            return status, time.monotonic() - began

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("size", "parts", "pause_s", "status"), [(2**18, 3, 0, 200), (2**18, 40, 0, 413), (9, 4, 0.4, 408)]
)
def test_a_client_that_still_sends_reads_why_it_is_refused(address, size, parts, pause_s, status):
    """A reset connection would be a ReadError there, with no word of the limit."""
    assert asked(address, size, parts, pause_s)[0] == status


def test_an_endless_body_is_not_heard_for_ever(address):
    began = time.monotonic()
    with pytest.raises(httpx.TransportError):
        asked(address, 1, 10_000, 0.1)
    assert time.monotonic() - began < 15
