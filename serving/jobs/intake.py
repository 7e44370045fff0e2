"""From a form to a committed job: checked first, then its inputs stored, then its row written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.deployment.loading import LoadedVersion
from components.errors import ObjectNotFound, UnknownName
from components.raster.scene import Unit
from components.tasks import task_names
from components.tasks.params import first_problem
from components.tasks.seam import OutputSpec, Spec
from serving.errors import QueueFull, TooLarge, WrongForm, WrongInput
from serving.jobs.addresses import parse_address
from serving.jobs.files import JobFiles
from serving.jobs.receiving import MB, Received
from serving.jobs.row import KEY_LENGTH, InputRef, Job
from serving.jobs.table import Asked, JobTable, new_id
from serving.schemas import Options, choose_output, choose_version
from serving.slots import Slots
from serving.uploads import not_served

URI_SUFFIX = "_uri"
JobFormat = Literal["cog", "geojson"]


class JobOptions(BaseModel):
    """Options of a job; a field that is none of them, no input and no `<input>_uri` is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = Field(description="the task, as in POST /<task>")
    run: str | None = Field(None, description="which run answers; may be left out where the task has one in service")
    output: str | None = Field(None, description="an output by name, or `classes` or `probability`; default: the first")
    format: JobFormat = Field("cog", description="GeoTIFF on the grid of the inputs, or vectors in WGS 84")
    unit: Unit | None = Field(None, description="unit of inputs whose files name none, as most GeoTIFFs do not")


@dataclass(frozen=True)
class IntakeLimits:
    """What a job may bring, and how many may wait."""

    waiting: int = 1000
    file_mb: int = 16 * 1024
    buckets: frozenset[str] = frozenset()


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
    options, uris = _options(form.fields)
    digest = _digest(options, form, uris)
    known = desk.table.by_key(_checked_key(key), digest)
    if known is not None:  # whatever is in service today: that job is accepted
        return known, False
    version, output = _answering(options, slots)
    _require_inputs(form.files.keys(), uris.keys(), version.spec)
    _require_room(desk)
    inputs = _refer(form, uris, desk)
    id = new_id()
    for each in form.files.values():
        desk.files.put_input(id, each.path)
    asked = Asked(
        task=options.task,
        run=version.run,
        version=version.id,
        output=output.name,
        format=options.format,
        unit=options.unit,
        inputs=inputs,
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


def _options(fields: Mapping[str, str]) -> tuple[JobOptions, dict[str, str]]:
    uris = {n.removesuffix(URI_SUFFIX): text for n, text in fields.items() if n.endswith(URI_SUFFIX)}
    rest = {name: text for name, text in fields.items() if not name.endswith(URI_SUFFIX)}
    try:
        return JobOptions.model_validate(rest), uris
    except ValidationError as error:
        known = ", ".join(JobOptions.model_fields)
        raise WrongForm(f"form field {first_problem(error)}; the options are {known}") from error


def _digest(options: JobOptions, form: Received, uris: Mapping[str, str]) -> str:
    """What makes two requests the same: every option and every byte (or address) of every input."""
    files = {name: each.digest for name, each in form.files.items()}
    asked = [options.model_dump(mode="json"), files, dict(uris)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise WrongForm(f"Idempotency-Key must be 1 to {KEY_LENGTH} printable ASCII characters; a UUID is one")
    return key


def _answering(options: JobOptions, slots: Slots) -> tuple[LoadedVersion, OutputSpec]:
    """The version that is promoted now and the output of it that is asked for."""
    if options.task not in task_names():
        raise UnknownName("task", options.task, task_names())
    as_sync = Options(run=options.run, output=options.output, format=options.format, unit=options.unit)
    version = slots.current(choose_version(as_sync, slots.loaded(), options.task))
    if version.task_name != options.task:
        runs = [each.run for each in slots.loaded() if each.task_name == options.task]
        raise UnknownName(f"{options.task} run", version.run, runs)
    output = choose_output(as_sync, version.spec)
    if options.format == "geojson" and output.kind == "continuous":
        raise WrongForm(f"output {output.name} is a raster of unit {output.unit}; ask for format cog")
    if options.format == "cog" and output.kind == "features":
        raise WrongForm(f"output {output.name} is features; ask for format geojson")
    return version, output


def _require_inputs(files: Collection[str], uris: Collection[str], spec: Spec) -> None:
    for each in spec.inputs:
        if each.kind != "scene":
            raise WrongForm(not_served(each, spec))
    names = [each.name for each in spec.inputs]
    taken = f"this run takes {', '.join(names)}, each as a file or as <input>{URI_SUFFIX}"
    for name in sorted(set(files) & set(uris)):
        raise WrongForm(f"input {name} comes as a file and as a URI; send one of them")
    for name in sorted({*files, *uris} ^ set(names)):
        raise WrongForm(f"{'missing' if name in names else 'unknown'} input {name[:100]}; {taken}")


def _require_room(desk: Desk) -> None:
    if desk.table.count("queued") >= desk.limits.waiting:
        raise QueueFull(f"{desk.limits.waiting} jobs wait, the limit (SWATH_JOBS_WAITING); try again later")


def _refer(form: Received, uris: Mapping[str, str], desk: Desk) -> dict[str, InputRef]:
    found: dict[str, InputRef] = {}
    for name, each in form.files.items():
        if each.size == 0:
            raise WrongInput(f"{name}: expected the bytes of a GeoTIFF, found an empty file")
        found[name] = {"digest": each.digest, "size": each.size}
    for name, uri in uris.items():
        found[name] = _refer_object(name, uri, desk)
    return found


def _refer_object(name: str, uri: str, desk: Desk) -> InputRef:
    """An object as it is now: its entity tag tells whether it is still the same when the job runs."""
    address = parse_address(uri, desk.limits.buckets, f"{name}{URI_SUFFIX}")
    try:
        stat = desk.files.stat_object(address)
    except ObjectNotFound as error:
        raise WrongInput(f"{name}{URI_SUFFIX}: no such object; check bucket and key") from error
    if stat.size > desk.limits.file_mb * MB:
        limit = f"{desk.limits.file_mb} MB, the limit (SWATH_JOBS_MAX_MB)"
        raise TooLarge(f"{name}{URI_SUFFIX}: the object has {stat.size} bytes, more than {limit}")
    return {"uri": uri, "etag": stat.etag, "size": stat.size}
