from __future__ import annotations

import asyncio

import pytest
from starlette.exceptions import HTTPException

from serving.bodies import BodyLimits, limited


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
