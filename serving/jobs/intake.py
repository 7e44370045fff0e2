"""From a form to a committed job: checked first, then its inputs stored, then its row written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.deployment.loading import LoadedVersion
from components.errors import UnknownName
from components.tasks import task_names
from components.tasks.seam import Spec
from serving.errors import QueueFull, WrongForm
from serving.jobs.bringing import Bringing, IntakeLimits, brought_scenes, brought_series
from serving.jobs.files import JobFiles
from serving.jobs.options import JobOptions, read_options, request_digest, scene_format
from serving.jobs.receiving import Received
from serving.jobs.row import KEY_LENGTH, Job
from serving.jobs.table import Asked, JobTable, new_id
from serving.schemas import choose_output, choose_version
from serving.series.kinds import SeriesFormat, series_format, series_input, takes_scenes
from serving.slots import Slots


@dataclass(frozen=True)
class Desk:
    """Where jobs are accepted: ``wake`` is called after each; uploads lie below ``folder`` until they are stored."""

    table: JobTable
    files: JobFiles
    folder: Path
    limits: IntakeLimits
    wake: Callable[[], None]


def accept_job(form: Received, key: str | None, request_id: str, desk: Desk, slots: Slots) -> tuple[Job, bool]:
    """The job of a form, and whether it is new. When this returns, row and inputs are on disk, whatever happens.

    Raises:
        WrongForm, WrongInput, UnknownName, VersionNotFound, TooLarge: what is wrong with the form; nothing is stored.
        JobConflict: if the idempotency key stands for another request.
        QueueFull: if too many jobs wait.
        StoreUnavailable: if the inputs cannot be stored; no job was accepted then.
    """
    options, uris = read_options(form.fields)
    digest = request_digest(options, form, uris)
    known = desk.table.by_key(_checked_key(key), digest)
    if known is not None:  # whatever is in service today: that job is accepted
        return known, False
    is_series = bool(form.series or form.series_uris)
    version = _answering(options, slots, is_series)
    output = choose_output(options.output, version.spec)
    bringing = Bringing(desk.files, desk.limits)
    if is_series:
        brought = brought_series(form, uris, options, version, bringing)
        format: SeriesFormat = series_format(options.format, output, version.spec)
    else:
        brought = brought_scenes(form, uris, options, version.spec, bringing)
        format = scene_format(options, output)
    _require_room(desk)
    id = new_id()
    for path in brought.files:
        desk.files.put_input(id, path)
    asked = Asked(
        task=options.task,
        run=version.run,
        version=version.id,
        output=output.name,
        format=format,
        unit=options.unit,
        inputs=brought.inputs,
        request_digest=digest,
        request_id=request_id,
        idempotency_key=key,
    )
    job, is_new = desk.table.accept(asked, id)
    if is_new:
        desk.wake()
    else:
        desk.files.remove(id)
    return job, is_new


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise WrongForm(f"Idempotency-Key must be 1 to {KEY_LENGTH} printable ASCII characters; a UUID is one")
    return key


def _answering(options: JobOptions, slots: Slots, is_series: bool) -> LoadedVersion:
    """The version that is promoted now and takes such inputs."""
    if options.task not in task_names():
        raise UnknownName("task", options.task, task_names())
    loaded = [each for each in slots.loaded() if each.task_name == options.task]
    fits: Callable[[Spec], object] = series_input if is_series else takes_scenes
    able = [each for each in loaded if fits(each.spec)] or loaded
    version = slots.current(choose_version(options.run, able, options.task))
    if version.task_name != options.task:
        raise UnknownName(f"{options.task} run", version.run, [each.run for each in loaded])
    return version


def _require_room(desk: Desk) -> None:
    if desk.table.count("queued") >= desk.limits.waiting:
        raise QueueFull(f"{desk.limits.waiting} jobs wait, the limit (SWATH_JOBS_WAITING); try again later")
