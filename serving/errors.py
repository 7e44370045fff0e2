"""Our errors as HTTP answers: one table, and no endpoint with a try of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.errors import (
    BadParams,
    BadScene,
    BandMismatch,
    GridMismatch,
    NotEnoughData,
    ServiceUnavailable,
    StoreUnavailable,
    SwathError,
    UnitMismatch,
    UnknownName,
    VersionCorrupt,
    VersionNotFound,
)

logger = logging.getLogger(__name__)
RETRY_AFTER_S = "2"


class WrongInput(SwathError):
    """A request that is well formed but asks for what cannot be done; says what was expected and found."""


class WrongForm(SwathError):
    """A request whose fields are not those of the endpoint."""


class OutOfMemory(SwathError):
    """A prediction for which the device or the process had no memory left."""


class TooLarge(SwathError):
    """More than is answered or accepted; says the limit, the value and the setting."""


class JobNotFound(SwathError):
    """No job of that id (any more), or none with a result."""


class JobConflict(SwathError):
    """A job that is not in the state, or not of the request, that was expected."""


class QueueFull(SwathError):
    """As many jobs wait as may."""


@contextmanager
def as_wrong_input() -> Iterator[None]:
    """A `BadScene` of the block is raised as `WrongInput`: the file can be read, but is not what it is said to be.

    So such a refusal has one status, 422, at every door; 400 is left to bytes that are no raster that may be opened.
    """
    try:
        yield
    except BadScene as error:
        raise WrongInput(str(error)) from error


STATUS: dict[type[SwathError], int] = {
    BadScene: 400,
    BandMismatch: 422,
    UnitMismatch: 422,
    GridMismatch: 422,
    NotEnoughData: 422,
    BadParams: 422,
    WrongInput: 422,
    WrongForm: 422,
    UnknownName: 404,
    VersionNotFound: 404,
    JobNotFound: 404,
    JobConflict: 409,
    TooLarge: 413,
    QueueFull: 429,
    VersionCorrupt: 503,
    StoreUnavailable: 503,
    OutOfMemory: 503,
    ServiceUnavailable: 503,
}


def answer_of_ours(request: Request, error: Exception) -> Response:
    """The answer to one of our errors: its sentence, and a status from the table."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    if status >= 500:
        logger.error("%s %s: %s", request.method, request.url.path, error)
    return answer(status, type(error).__name__, str(error))


def answer_of_http(_: Request, error: Exception) -> Response:
    """The answer to an error of the HTTP layer (unknown path, wrong method, body too large)."""
    if not isinstance(error, HTTPException):
        raise TypeError(f"expected an HTTPException, got {type(error).__name__}")
    return answer(error.status_code, "HTTPError", error.detail, dict(error.headers or {}))


def answer_of_nobody(request: Request, error: Exception) -> Response:
    """The answer to an error that nobody foresaw: no detail leaves the process."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer(500, "InternalError", "the service failed; its log says why")


def answer(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A refusal as JSON: kind and one sentence."""
    extra = {"Retry-After": RETRY_AFTER_S} if status in (429, 503) else {}
    return JSONResponse({"error": kind, "message": message}, status, {**extra, **(headers or {})})
