"""The HTTP application: one endpoint a task, generated from what is in service, and `/models`."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from math import prod

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from components.deployment.loading import LoadedVersion
from components.errors import SwathError, UnknownName
from components.inference.tiled import predict
from components.raster.decoding import DecoderPool
from components.tasks import task_names
from serving.answers import encode
from serving.drift import InputStatistics
from serving.errors import answer_of_http, answer_of_nobody, answer_of_ours
from serving.jobs.intake import Desk
from serving.jobs.routes import answer_of_table, job_routes
from serving.memory import memory_watched
from serving.observing import Observation, seen_in
from serving.openapi import curl, document
from serving.schemas import MEDIA_TYPES, SUFFIXES, Form, choose_output, choose_version
from serving.series.kinds import takes_scenes
from serving.series.routes import post_series
from serving.sizes import require_small
from serving.slots import Slots
from serving.uploads import open_inputs, received


@dataclass(frozen=True)
class Serving:
    """What the endpoints need: the slots, processes that open uploads, threads to compute in, and the desk of jobs."""

    slots: Slots
    decoders: DecoderPool
    pool: ThreadPoolExecutor
    statistics: InputStatistics | None = None
    jobs: Desk | None = None
    sync_mpx: float = 64  # megapixels that are answered at once: of a raster, or of all files of a series
    max_dates: int = 128  # of a series


def build_app(started: Callable[[], AbstractContextManager[Serving]]) -> Starlette:
    """The application; ``started`` is entered when the server starts and left when it stops."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        context = started()
        app.state.serving = await asyncio.to_thread(context.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)

    routes = [
        Route("/", docs, methods=["GET"]),
        Route("/docs", docs, methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
        Route("/docs.json", openapi, methods=["GET"]),  # where BentoML's own document would stand
        Route("/models", models, methods=["GET"]),
        *job_routes(),
        Route("/{task}", predict_scenes, methods=["POST"]),
        Route("/{task}/series", post_series, methods=["POST"]),
    ]
    handlers = {
        SwathError: answer_of_ours,
        SQLAlchemyError: answer_of_table,
        HTTPException: answer_of_http,
        Exception: answer_of_nobody,
    }
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


async def models(request: Request) -> Response:
    """Every run: its version, its state and the reason where it is not ready, and the digest of its code."""
    return JSONResponse(_serving(request).slots.as_json())


async def openapi(request: Request) -> Response:
    """The OpenAPI document of what is in service now."""
    return JSONResponse(document(_serving(request).slots.loaded(), task_names()))


async def docs(request: Request) -> Response:
    """The endpoints with an example each, readable without a network."""
    host = request.headers.get("host", "127.0.0.1:3000")
    examples = "\n\n".join(curl(version, f"http://{host}") for version in _serving(request).slots.loaded())
    text = examples or "No version is in service yet; promote one: swath promote <run> <version>"
    links = '<a href="/models">models</a> <a href="/openapi.json">openapi.json</a> <a href="/metrics">metrics</a>'
    return HTMLResponse(f"<!doctype html><title>Swath</title><h1>Swath</h1>{links}<pre>{html.escape(text)}</pre>")


async def predict_scenes(request: Request) -> Response:
    """The prediction for uploaded scenes, on the grid of the first input."""
    task = request.path_params["task"]
    if task not in task_names():
        raise UnknownName("task", task, task_names())
    serving = _serving(request)
    seen = seen_in(request.scope)
    seen.task = task
    async with received(request) as form:
        require_small(form.files, serving.sync_mpx)
        # The request keeps this version, whatever is promoted meanwhile.
        with serving.slots.using(choose_version(form.options.run, able(task, serving.slots), task)) as version:
            if version.task_name != task:
                raise UnknownName(f"{task} run", version.run, _runs_of(task, serving.slots))
            seen.run, seen.version = version.run, version.id
            call = partial(copy_context().run, answer_form, form, version, serving, seen)
            content = await asyncio.get_running_loop().run_in_executor(serving.pool, call)
    kind = form.options.format
    headers = {
        "X-Swath-Run": version.run,
        "X-Swath-Version": version.id,
        "Content-Disposition": f'attachment; filename="{version.run}.{SUFFIXES[kind]}"',
    }
    return Response(content, media_type=MEDIA_TYPES[kind], headers=headers)


def able(task: str, slots: Slots) -> Sequence[LoadedVersion]:
    """The versions of a task that take scenes; where none does all of them, so that the refusal says what they take."""
    own = [each for each in slots.loaded() if each.task_name == task]
    return [each for each in own if takes_scenes(each.spec)] or own


def answer_form(form: Form, version: LoadedVersion, serving: Serving, seen: Observation) -> bytes:
    """The bytes that answer a form: opened, held against the spec, predicted and encoded.

    Raises:
        SwathError: see `serving.uploads` and `serving.answers`.
    """
    output = choose_output(form.options.output, version.spec)
    scenes = open_inputs(form, version.spec, serving.decoders)
    if serving.statistics:
        serving.statistics.add(version.run, version.id, scenes)
    seen.pixels = prod(next(iter(scenes.values())).grid.shape)
    with memory_watched(version.run, serving.slots):
        outputs = predict(version.method, scenes, tile_px=version.params.evaluation.tile_px)
        request = seen.id if seen.from_caller else ""
        return encode(outputs[output.name], output, form.options.format, version, request)


def _serving(request: Request) -> Serving:
    found = request.app.state.serving
    if not isinstance(found, Serving):
        raise TypeError("the application was not started")
    return found


def _runs_of(task: str, slots: Slots) -> list[str]:
    return [version.run for version in slots.loaded() if version.task_name == task]
