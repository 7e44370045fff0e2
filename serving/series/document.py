"""`POST /<task>/series` as OpenAPI paths, for the tasks with a run in service that takes a time series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.deployment.loading import LoadedVersion
from serving.jobs.receiving import SERIES
from serving.schemas import MEDIA_TYPES
from serving.series.kinds import SeriesOptions, is_by_date, series_input
from serving.uploads import MAX_SERIES_FILES

HOST = "http://127.0.0.1:3000"
NAMES = ("S1_20230103_{band}.tif", "S1_20230115_{band}.tif")
REFUSALS = {
    "400": "a file is none that may be opened",
    "401": "no valid token",
    "403": "a token that may do other things",
    "404": "no such task, or no version of the run in service",
    "408": "the body came too slowly",
    "413": "too many bytes, megapixels in all files together, or dates: POST /jobs takes more of the first two",
    "415": "a content type that is accepted nowhere",
    "422": (
        "a name without a date, a date that stands twice, mixed orbits, too few dates, another grid, numbers that "
        "contradict the unit, unknown fields: the message says what was expected"
    ),
    "429": "too many requests inside; try again after Retry-After seconds",
    "503": "the promoted version could not be loaded, or memory ran out; try again after Retry-After seconds",
}
SAID = {
    "400": ("BadScene", "20230103_VV.tif: the first bytes are not those of a GeoTIFF; send a GeoTIFF"),
    "413": (
        "TooLarge",
        "series: 80.0 megapixels in 20 files, at most 64 are answered at once (SWATH_MAX_SYNC_MPX); "
        "send the same form to POST /jobs with the field task",
    ),
    "422": (
        "WrongForm",
        "series: expected file names with a date such as 20231203 or 2023-12-03 and the ending .tif "
        "(or a pattern: S1_{date}_{band}.tif), found 'january.tif'",
    ),
}


def series_paths(versions: Sequence[LoadedVersion]) -> dict[str, Any]:
    """A path for each task that has a run for time series in service."""
    able = [version for version in versions if series_input(version.spec)]
    tasks = sorted({version.task_name for version in able})
    return {f"/{task}/series": _path(task, [v for v in able if v.task_name == task]) for task in tasks}


def series_field(description: str) -> dict[str, Any]:
    """The repeated file field as a schema."""
    files = {"type": "string", "format": "binary"}
    return {
        "type": "array", "items": files, "minItems": 1, "maxItems": MAX_SERIES_FILES, "description": description,
    }  # fmt: skip


def curl_series(version: LoadedVersion, url: str) -> str:
    """A command that sends a series of two dates to a version."""
    wanted = series_input(version.spec)
    bands = wanted.bands if wanted else ()
    parts = " ".join(f"-F {SERIES}=@{name.format(band=band)}" for name in NAMES for band in bands)
    unit = f" -F unit={wanted.unit}" if wanted else ""
    suffix = "zip" if is_by_date(version.spec) else "tif"
    return f"curl {url}/{version.task_name}/series {parts}{unit} -F run={version.run} -o {version.run}-series.{suffix}"


def _path(task: str, versions: Sequence[LoadedVersion]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    answers: dict[str, Any] = {
        "200": {
            "description": "the first output, or the one asked for, on the grid of the series; or an archive",
            "headers": {
                "X-Swath-Run": {"schema": {"type": "string"}, "description": "the run"},
                "X-Swath-Version": {"schema": {"type": "string"}, "description": "the version that answered"},
            },
            "content": dict.fromkeys(MEDIA_TYPES.values(), binary),
        }
    }
    answers |= {code: _refusal(code, text) for code, text in REFUSALS.items()}
    form = {"multipart/form-data": {"schema": _schema(versions)}}
    told = "\n".join([*(_told(version) for version in versions), "", *(curl_series(each, HOST) for each in versions)])
    return {
        "post": {
            "operationId": f"{task}_series",
            "summary": f"predict {task} from a time series",
            "description": told,
            "requestBody": {"required": True, "content": form},
            "responses": answers,
        }
    }


def _refusal(code: str, text: str) -> dict[str, Any]:
    """A refusal: its kind and one sentence, with an example where one is telling."""
    strings = {name: {"type": "string"} for name in ("error", "message")}
    body: dict[str, Any] = {"schema": {"type": "object", "properties": strings, "required": list(strings)}}
    if code in SAID:
        body["example"] = dict(zip(strings, SAID[code], strict=True))
    return {"description": text, "content": {"application/json": body}}


def _told(version: LoadedVersion) -> str:
    outputs = ", ".join(each.name for each in version.spec.outputs)
    if is_by_date(version.spec):
        return (
            f"{version.run}: every date by itself, dates are not averaged; a zip with <output>-<date>.tif for each "
            f"(outputs: {outputs})"
        )
    return f"{version.run}: all dates together (outputs: {outputs}; format zip: all of them)"


def _schema(versions: Sequence[LoadedVersion]) -> dict[str, Any]:
    options = dict(SeriesOptions.model_json_schema()["properties"])
    options["run"] = {**options["run"], "examples": [version.run for version in versions]}
    outputs = sorted({each.name for version in versions for each in version.spec.outputs})
    options["output"] = {**options["output"], "examples": outputs}
    options["looks"] = {"type": "string", "description": options["looks"]["description"], "examples": ["4.4"]}
    wanted = "; ".join(_wanted(version) for version in versions)
    described = f"one GeoTIFF a date, or a date and band, with the date in the file name, all on one grid ({wanted})"
    properties = {SERIES: series_field(described), **options}
    return {"type": "object", "properties": properties, "required": [SERIES], "additionalProperties": False}


def _wanted(version: LoadedVersion) -> str:
    found = series_input(version.spec)
    assert found is not None, "only versions that take a series are asked"
    size = f", pixels of {found.pixel_size_m[0]:g} to {found.pixel_size_m[1]:g} m" if found.pixel_size_m else ""
    place = ", with CRS" if found.needs_crs else ""
    return f"{version.run}: bands {', '.join(found.bands)}, amplitude, intensity or db{size}{place}"
