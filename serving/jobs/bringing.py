"""The inputs that a form brings to a job: uploads and addresses of objects, held against the spec by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.deployment.loading import LoadedVersion
from components.deployment.looks import with_looks
from components.errors import ObjectNotFound
from components.tasks.seam import Spec
from serving.errors import TooLarge, WrongForm, WrongInput
from serving.jobs.addresses import parse_address
from serving.jobs.files import JobFiles
from serving.jobs.options import URI_SUFFIX, JobOptions
from serving.jobs.receiving import MB, SERIES, Received, ReceivedFile
from serving.jobs.row import InputRef
from serving.series.kinds import require_series_run
from serving.series.sending import as_ref, brought
from serving.uploads import not_served


@dataclass(frozen=True)
class IntakeLimits:
    """What a job may bring, and how many may wait."""

    waiting: int = 1000
    file_mb: int = 16 * 1024
    dates: int = 128
    buckets: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Bringing:
    """Where the objects of jobs lie, and what a job may bring."""

    files: JobFiles
    limits: IntakeLimits


@dataclass(frozen=True)
class Brought:
    """What a job keeps of its inputs, and the uploads among them that are to be stored."""

    inputs: Mapping[str, InputRef]
    files: Sequence[Path]


def brought_scenes(
    form: Received, uris: Mapping[str, str], options: JobOptions, spec: Spec, bringing: Bringing
) -> Brought:
    """The scenes of a form.

    Raises:
        WrongForm, WrongInput, TooLarge: says what is wrong with them.
    """
    if options.given:
        raise WrongForm(f"form field {options.given[0]}: it is of time series; leave it out, or send files as series")
    _require_inputs(form.files.keys(), uris.keys(), spec)
    return Brought(_refer(form, uris, bringing), [each.path for each in form.files.values()])


def brought_series(
    form: Received, uris: Mapping[str, str], options: JobOptions, version: LoadedVersion, bringing: Bringing
) -> Brought:
    """The time series of a form, with what the names of its files say.

    Raises:
        WrongForm, WrongInput, TooLarge, BadScene, NotEnoughData, BadParams: says what is wrong with it.
    """
    require_series_run(version, [version], options.task)
    for name in uris:
        raise WrongForm(
            f"unknown input {name[:100]}; a time series is sent as the fields series and series{URI_SUFFIX}"
        )
    if options.looks:
        with_looks(version, options.looks)  # refused now rather than by the worker
    files = brought(form, options, version.spec, bringing.limits.dates)
    refs = [as_ref(said, _where(each, bringing)) for said, each in files.items()]
    ref: InputRef = {"files": refs}
    if options.looks:
        ref["looks"] = list(options.looks)
    return Brought({SERIES: ref}, [each.path for each in files.values() if isinstance(each, ReceivedFile)])


def _where(each: ReceivedFile | str, bringing: Bringing) -> InputRef:
    if isinstance(each, str):
        return _refer_object(SERIES, each, bringing)
    return {"digest": each.digest, "size": each.size}


def _require_inputs(files: Collection[str], uris: Collection[str], spec: Spec) -> None:
    for each in spec.inputs:
        if each.kind != "scene":
            raise WrongForm(not_served(each))
    names = [each.name for each in spec.inputs]
    taken = f"this run takes {', '.join(names)}, each as a file or as <input>{URI_SUFFIX}"
    for name in sorted(set(files) & set(uris)):
        raise WrongForm(f"input {name} comes as a file and as a URI; send one of them")
    for name in sorted({*files, *uris} ^ set(names)):
        raise WrongForm(f"{'missing' if name in names else 'unknown'} input {name[:100]}; {taken}")


def _refer(form: Received, uris: Mapping[str, str], bringing: Bringing) -> dict[str, InputRef]:
    found: dict[str, InputRef] = {}
    for name, each in form.files.items():
        if each.size == 0:
            raise WrongInput(f"{name}: expected the bytes of a GeoTIFF, found an empty file")
        found[name] = {"digest": each.digest, "size": each.size}
    for name, uri in uris.items():
        found[name] = _refer_object(name, uri, bringing)
    return found


def _refer_object(name: str, uri: str, bringing: Bringing) -> InputRef:
    """An object as it is now: its entity tag tells whether it is still the same when the job runs."""
    address = parse_address(uri, bringing.limits.buckets, f"{name}{URI_SUFFIX}")
    try:
        stat = bringing.files.stat_object(address)
    except ObjectNotFound as error:
        raise WrongInput(f"{name}{URI_SUFFIX}: no such object; check bucket and key") from error
    if stat.size > bringing.limits.file_mb * MB:
        limit = f"{bringing.limits.file_mb} MB, the limit (SWATH_MAX_LARGE_MB)"
        raise TooLarge(f"{name}{URI_SUFFIX}: the object has {stat.size} bytes, more than {limit}")
    return {"uri": uri, "etag": stat.etag, "size": stat.size}
