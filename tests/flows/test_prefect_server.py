"""The server of the embedded stack tries a write again where its database was busy."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flows.stack.prefect_server import Patient


class Busy(Exception):
    """What the database raises."""


class Server:
    """An app that answers 503 as Prefect does, by an exception handler, for its first ``busy`` requests."""

    def __init__(self, busy):
        self.busy, self.bodies = busy, []
        routes = [Route("/runs", self.runs, methods=["GET", "POST"]), Route("/broken", self.broken, methods=["POST"])]
        self.app = Starlette(routes=routes, exception_handlers={Exception: self.refuse})

    async def runs(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        if len(self.bodies) <= self.busy:
            raise Busy
        return JSONResponse({"tries": len(self.bodies)}, 201)

    async def broken(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        raise ValueError("not the database")

    async def refuse(self, request: Request, error: Exception) -> Response:
        return Response(status_code=503 if isinstance(error, Busy) else 500)

    async def ask(self, method, path, **more):
        transport = httpx.ASGITransport(Patient(self.app, delays_s=(0.0, 0.0, 0.0)), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.request(method, path, **more)


@pytest.mark.parametrize("busy", [0, 1, 3])
def test_a_busy_database_is_asked_again_with_the_same_body(busy):
    server = Server(busy)
    answer = asyncio.run(server.ask("POST", "/runs", content=b"x" * 300_000))
    assert (answer.status_code, answer.json()) == (201, {"tries": busy + 1})
    assert set(server.bodies) == {b"x" * 300_000}


def test_a_database_that_stays_busy_is_said():
    server = Server(busy=9)
    assert asyncio.run(server.ask("POST", "/runs", content=b"x")).status_code == 503
    assert len(server.bodies) == 4


def test_reads_and_other_errors_pass_at_once():
    server = Server(busy=9)
    assert asyncio.run(server.ask("GET", "/runs")).status_code == 503
    assert len(server.bodies) == 1
    assert asyncio.run(server.ask("POST", "/broken", content=b"x")).status_code == 500
    assert len(server.bodies) == 2
