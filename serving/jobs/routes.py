"""`/jobs`: accept, look, fetch, cancel."""

from __future__ import annotations

import asyncio
import re
import uuid

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.errors import ObjectNotFound, ServiceUnavailable
from serving import observing
from serving.errors import JobConflict, JobNotFound, WrongForm, answer_of_ours
from serving.jobs.intake import Desk, accept_job
from serving.jobs.receiving import receive
from serving.jobs.results import Stored, answer_with
from serving.jobs.row import Job
from serving.jobs.scratch import scratch
from serving.jobs.states import ENDS
from serving.jobs.view import as_json
from serving.schemas import MEDIA_TYPES, SUFFIXES
from serving.slots import Slots

NEWEST, MOST = 20, 200
POLL_S = "1"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def job_routes() -> list[Route]:
    """The routes; the application's state holds the desk and the slots."""
    return [
        Route("/jobs", post_job, methods=["POST"]),
        Route("/jobs", list_jobs, methods=["GET"]),
        Route("/jobs/{id}", get_job, methods=["GET"]),
        Route("/jobs/{id}", delete_job, methods=["DELETE"]),
        Route("/jobs/{id}/result", get_result, methods=["GET"]),
    ]


async def post_job(request: Request) -> Response:
    """202 with the place of a new job, 200 with the job that was accepted under the same idempotency key."""
    desk, slots = _desk(request)
    with scratch(desk.folder) as folder:
        form = await receive(request, folder, desk.limits.file_mb)
        key = request.headers.get("idempotency-key")
        job, is_new = await asyncio.to_thread(accept_job, form, key, request_id(request), desk, slots)
    now = await asyncio.to_thread(desk.table.now)
    return JSONResponse(as_json(job, now), 202 if is_new else 200, {"Location": f"/jobs/{job.id}"})


def list_jobs(request: Request) -> Response:
    """The newest jobs, 20 or as many as `newest` says."""
    table = _desk(request)[0].table
    text = request.query_params.get("newest", str(NEWEST))
    if set(request.query_params) - {"newest"} or not re.fullmatch(r"[1-9]\d{0,2}", text) or int(text) > MOST:
        raise WrongForm(f"the one query key is newest, a number from 1 to {MOST}")
    now = table.now()
    return JSONResponse({"jobs": [as_json(job, now) for job in table.newest(int(text))]})


def get_job(request: Request) -> Response:
    """The job as it is now."""
    table = _desk(request)[0].table
    job = _found(request)
    return JSONResponse(as_json(job, table.now()), headers={} if job.state in ENDS else {"Retry-After": POLL_S})


def get_result(request: Request) -> Response:
    """The bytes of the result, or the range of them that was asked for."""
    files, job = _desk(request)[0].files, _found(request)
    digest, size = job.result_digest, job.result_bytes
    if digest is None or size is None:
        raise JobConflict(f"job {job.id} is {job.state} and has no result{f': {job.reason}' if job.reason else ''}")

    def read(start: int, length: int) -> bytes:
        return files.read_result(job.id, digest, start, length)

    try:
        read(0, 1)
    except ObjectNotFound as error:
        raise JobNotFound(f"the result of job {job.id} was removed; send the job again") from error
    named = f'attachment; filename="{job.run}-{job.id[:8]}.{SUFFIXES[job.format]}"'
    extra = {"X-Swath-Run": job.run, "X-Swath-Version": job.version, "Content-Disposition": named}
    stored = Stored(digest, size, MEDIA_TYPES[job.format], read)
    return answer_with(stored, request.headers, request.method, extra)


def delete_job(request: Request) -> Response:
    """A waiting or running job cancelled (a running one stops before its next tile), an ended one removed."""
    desk, job = _desk(request)[0], _found(request)
    cancelled = desk.table.cancel(job.id)
    if cancelled is not None:
        desk.files.remove(job.id)
        return JSONResponse(as_json(cancelled, desk.table.now()))
    if desk.files.remove(job.id) and desk.table.remove(job.id):
        return Response(status_code=204)
    raise ServiceUnavailable(f"job {job.id} cannot be removed now; try again soon")


def request_id(request: Request) -> str:
    """The id that the request was given; the caller's X-Request-Id where it is a plain one, or else a new one."""
    known = observing.request_id.get()
    if known:
        return known
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def answer_of_table(request: Request, error: Exception) -> Response:
    """The answer where the database of the jobs fails; what it says may name hosts, so it goes nowhere."""
    problem = type(error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error).__name__
    return answer_of_ours(request, ServiceUnavailable(f"the job table fails ({problem}); try again soon"))


def _desk(request: Request) -> tuple[Desk, Slots]:
    serving = request.app.state.serving
    if serving.jobs is None:
        raise ServiceUnavailable("this service takes no jobs; send the request to POST /<task>")
    return serving.jobs, serving.slots


def _found(request: Request) -> Job:
    id = request.path_params["id"]
    job = _desk(request)[0].table.find(id)
    if job is None:
        raise JobNotFound(f"no job {id[:64]!r}; ended jobs are removed after a time (SWATH_JOBS_KEEP_DAYS)")
    return job
