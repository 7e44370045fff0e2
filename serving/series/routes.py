"""`POST /<task>/series`: a small time series answered at once; a large one is a job with the same form."""

from __future__ import annotations

import asyncio
import tempfile
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from components.deployment.loading import LoadedVersion
from components.deployment.looks import with_looks
from components.errors import UnknownName
from components.tasks import task_names
from serving.answers import REQUEST_TAG
from serving.errors import TooLarge
from serving.jobs.receiving import MB, Received, receive
from serving.memory import memory_watched
from serving.observing import Observation, seen_in
from serving.schemas import MEDIA_TYPES, SUFFIXES, choose_output, choose_version
from serving.series.headers import Headers, read_headers
from serving.series.kinds import SeriesOptions, is_by_date, require_series_run, series_format, series_input
from serving.series.opening import glimpse, opened
from serving.series.predicting import Order, predict_series
from serving.series.sending import brought, on_disk, require_no_addresses
from serving.sizes import require_small_together

if TYPE_CHECKING:
    from serving.endpoints import Serving


async def post_series(request: Request) -> Response:
    """The prediction for uploaded dates, on their grid."""
    task = request.path_params["task"]
    if task not in task_names():
        raise UnknownName("task", task, task_names())
    serving: Serving = request.app.state.serving
    seen = seen_in(request.scope)
    seen.task = task
    with tempfile.TemporaryDirectory(prefix="swath-series-") as folder:
        form = await receive(request, Path(folder), serving.decoders.limits.file_bytes // MB)
        options = SeriesOptions.of(dict(form.fields))
        loaded = serving.slots.loaded()
        able = [each for each in loaded if series_input(each.spec)]
        with serving.slots.using(choose_version(options.run, able, task)) as version:
            require_series_run(version, loaded, task)
            seen.run, seen.version = version.run, version.id
            work = partial(answer_series, form, options, version, serving, seen, Path(folder))
            call: Any = partial(copy_context().run, work)
            content, kind = await asyncio.get_running_loop().run_in_executor(serving.pool, call)
    headers = {
        "X-Swath-Run": version.run,
        "X-Swath-Version": version.id,
        "Content-Disposition": f'attachment; filename="{version.run}.{SUFFIXES[kind]}"',
    }
    return Response(content, media_type=MEDIA_TYPES[kind], headers=headers)


def answer_series(
    form: Received, options: SeriesOptions, version: LoadedVersion, serving: Serving, seen: Observation, folder: Path
) -> tuple[bytes, str]:
    """The bytes that answer a form, and their format; names first, then headers, then pixels.

    Raises:
        SwathError: see `sending.brought`, `opening` and `predicting`.
    """
    wanted = require_series_run(version, [version], version.task_name)
    output = choose_output(options.output, version.spec)
    kind = series_format(options.format, output, version.spec)
    asked = with_looks(version, options.looks) if options.looks else version
    require_no_addresses(form)
    files = on_disk(brought(form, options, version.spec, serving.max_dates))
    require_small_together([each.content for each in files], serving.sync_mpx)
    headers = read_headers(files, wanted, options.unit, serving.decoders)
    require_small_answer(headers, is_by_date(version.spec), serving.sync_mpx)
    source = opened(headers, folder, serving.decoders, lambda: None)
    if serving.statistics:
        serving.statistics.add(version.run, version.id, {wanted.name: glimpse(source, wanted)})
    rows, cols = source.grid.shape
    seen.pixels = rows * cols * len(source.dates)
    tags = {REQUEST_TAG: seen.id} if seen.from_caller else {}
    with memory_watched(version.run, serving.slots):
        path, _ = predict_series(Order(asked, wanted, output, kind, tags), source, folder)
        return path.read_bytes(), kind


def require_small_answer(headers: Headers, by_date: bool, limit_mpx: float) -> None:
    """Nothing where the answer is no larger than what is answered at once; bursts may span much empty ground.

    Raises:
        TooLarge: says how large, the limit, and that a job takes it.
    """
    rows, cols = headers.grid.shape
    answers = len(headers.dates) if by_date else 1
    found = rows * cols * answers / 1e6
    if found > limit_mpx:
        raise TooLarge(
            f"series: {found:.1f} megapixels of answer ({answers} of {rows} x {cols}), at most {limit_mpx:g} are "
            "answered at once (SWATH_MAX_SYNC_MPX); send the same form to POST /jobs with the field task"
        )
