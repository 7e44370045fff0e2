"""The OpenAPI document, made from the specs of what is in service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.deployment.loading import LoadedVersion
from components.tasks.seam import InputSpec
from serving.jobs.document import job_paths
from serving.schemas import FORMATS, MEDIA_TYPES, Options
from serving.series.document import curl_series, series_paths
from serving.series.kinds import series_input, takes_scenes

ERRORS = {
    "400": "a file is none that may be opened",
    "401": "no valid token",
    "403": "a token that may do other things",
    "404": "no such task, or no version of the run in service",
    "408": "the body came too slowly",
    "413": "the body is larger than the limit",
    "415": "a content type that is accepted nowhere",
    "422": "unknown fields, or inputs other than the run's: the message says what was expected and found",
    "429": "too many requests inside; try again after Retry-After seconds",
    "503": "the promoted version could not be loaded, or memory ran out; try again after Retry-After seconds",
}
HOST = "http://127.0.0.1:3000"
HEADERS = {
    "X-Swath-Run": "the run",
    "X-Swath-Version": "the version that answered",
    "X-Request-Id": "the request in the service's log; the caller's own where it sent a plain one",
}


def document(versions: Sequence[LoadedVersion], tasks: Sequence[str]) -> dict[str, Any]:
    """OpenAPI 3.1: a path for each task (with the inputs of its runs in service), and the states."""
    paths: dict[str, Any] = {
        f"/{task}": _path(task, [v for v in versions if v.task_name == task and takes_scenes(v.spec)]) for task in tasks
    }
    paths |= series_paths(versions)
    paths |= job_paths(versions)
    paths["/models"] = _get("every run with its version, state, reason and code digest")
    paths["/metrics"] = _get("counters, latencies and versions as Prometheus reads them")
    paths["/livez"] = _get("200 while the process lives")
    paths["/readyz"] = _get("200 once every promoted run is served or listed with its reason")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Swath", "version": "1", "description": "Predictions of promoted model versions."},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}, {}],
    }


def curl(version: LoadedVersion, url: str) -> str:
    """Commands that ask a version: with scenes, with a time series, or one after the other where it takes both."""
    commands = []
    if takes_scenes(version.spec):
        bands = "".join(f"\n  # {each.name}: bands {', '.join(each.bands)}" for each in version.spec.inputs)
        parts = " ".join(f"-F {each.name}=@{each.name}.tif" for each in version.spec.inputs)
        commands.append(f"curl {url}/{version.task_name} {parts} -F run={version.run} -o {version.run}.tif{bands}")
    if series_input(version.spec):
        commands.append(curl_series(version, url))
    return "\n".join(commands)


def _path(task: str, versions: Sequence[LoadedVersion]) -> dict[str, Any]:
    runs = [version.run for version in versions]
    content = {"multipart/form-data": {"schema": _schema(versions)}}
    answers: dict[str, Any] = {
        "200": {
            "description": "the first output, or the one asked for, on the grid of the first input",
            "headers": {name: {"schema": {"type": "string"}, "description": text} for name, text in HEADERS.items()},
            "content": {MEDIA_TYPES[kind]: {"schema": {"type": "string", "format": "binary"}} for kind in FORMATS},
        }
    }
    answers |= {code: {"description": text} for code, text in ERRORS.items()}
    described = f"runs in service: {', '.join(runs)}" if runs else "no run of this task that takes scenes is in service"
    examples = "\n".join(curl(version, HOST) for version in versions)
    return {
        "post": {
            "operationId": task,
            "summary": f"predict {task}",
            "description": f"{described}\n\n{examples}".strip(),
            "requestBody": {"required": True, "content": content},
            "responses": answers,
        }
    }


def _schema(versions: Sequence[LoadedVersion]) -> dict[str, Any]:
    """The form: the options, and the inputs of every run in service (which of them are needed depends on the run)."""
    options = Options.model_json_schema()
    fields = dict(options.get("properties", {}))
    fields["run"] = {**fields["run"], "examples": [version.run for version in versions]}
    outputs = sorted({output.name for version in versions for output in version.spec.outputs})
    fields["output"] = {**fields["output"], "examples": outputs}
    inputs: dict[str, list[str]] = {}
    for version in versions:
        for each in version.spec.inputs:
            inputs.setdefault(each.name, []).append(f"{version.run}: {_wanted(each)}")
    files = {
        name: {"type": "string", "format": "binary", "description": "; ".join(texts)} for name, texts in inputs.items()
    }
    shared = [name for name in inputs if len(inputs[name]) == len(versions)]
    return {"type": "object", "properties": {**files, **fields}, "required": shared, "additionalProperties": False}


def _wanted(spec: InputSpec) -> str:
    size = f", pixels of {spec.pixel_size_m[0]:g} to {spec.pixel_size_m[1]:g} m" if spec.pixel_size_m else ""
    place = ", with CRS" if spec.needs_crs else ""
    return f"{spec.sensor} {spec.kind}, bands {', '.join(spec.bands)} by name, unit {spec.unit}{size}{place}"


def _get(summary: str) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": {"description": summary}}}}
