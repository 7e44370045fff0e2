"""The Bento service: `bentoml serve serving.service:SwathService`. Settings come from `SWATH_*` when it starts.

BentoML imports this module in its supervisor too, so everything heavy (torch, rasterio) is imported by the worker
only, when it starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import bentoml
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from serving.guard import Guard
from serving.listening import require_tokens_beyond_loopback
from serving.observing import Observer, install_logs

TIMEOUT_S = 600
QUIET = {"access": {"enabled": False}}  # our own log has one line a request, with its id and without caller's words

# BentoML keeps a timer of every request until TIMEOUT_S is over, and with it the request's trace, which goes nowhere.
UNTRACED = {"excluded_urls": [".*"]}


@asynccontextmanager
async def lifespan(outer: Starlette) -> AsyncIterator[None]:
    """The real application, running while the server does."""
    install_logs()
    require_tokens_beyond_loopback()
    startup = await asyncio.to_thread(import_module, "serving.startup")
    inner: Starlette = startup.application()
    async with inner.router.lifespan_context(inner):
        outer.state.inner = inner
        yield


async def handed_on(scope: Scope, receive: Receive, send: Send) -> None:
    """Every path that is not BentoML's own (`/livez`, `/readyz`, `/metrics`) is answered by the real application."""
    await app.state.inner(scope, receive, send)


app = Starlette(routes=[Mount("/", handed_on)], lifespan=lifespan)


# One worker: each would hold every model again. No BentoML API: bytes are parsed by our own handlers only.
@bentoml.service(
    name="swath", workers=1, traffic={"timeout": TIMEOUT_S}, http={"host": "127.0.0.1"}, logging=QUIET, tracing=UNTRACED
)
class Service:
    """Serves every promoted run that `SWATH_RUNS` names (empty: all)."""

    def __is_ready__(self) -> bool:
        """True once every promoted run has passed its golden request or is listed with its reason."""
        inner = getattr(app.state, "inner", None)
        return inner is not None and bool(inner.state.serving.slots.ready)

    def __metrics__(self, counted: str) -> str:
        """What BentoML and our counters say, and which version each run serves."""
        from serving.metrics import slot_lines

        inner = getattr(app.state, "inner", None)
        return counted if inner is None else counted + slot_lines(inner.state.serving.slots.as_json()["models"])


SwathService = bentoml.asgi_app(app, path="/", name="swath")(Service)
SwathService.add_asgi_middleware(Observer)  # the outer one: refusals are counted and logged, too
SwathService.add_asgi_middleware(Guard)
