"""The routes of jobs as OpenAPI paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.deployment.loading import LoadedVersion
from serving.jobs.options import URI_SUFFIX, JobOptions
from serving.jobs.receiving import SERIES
from serving.jobs.states import ENDS, STATES
from serving.schemas import MEDIA_TYPES
from serving.series.document import series_field
from serving.series.kinds import takes_scenes

ERRORS = {
    "400": "the body is damaged or ended early",
    "401": "no valid token",
    "404": "no such job, task or run, or nothing in service",
    "409": "the key stands for another request, or the job has no result",
    "413": "a file is larger than the limit",
    "415": "a content type that is accepted nowhere",
    "422": "unknown fields, or inputs other than the run's",
    "429": "too many jobs wait, or too many requests are inside; try again after Retry-After seconds",
    "507": "the disk of the service is full",
    "503": "the store or the job table fails; try again",
}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def job_paths(versions: Sequence[LoadedVersion]) -> dict[str, Any]:
    """Paths of `/jobs`; the form names the inputs of the runs in service."""
    form = {"multipart/form-data": {"schema": _form(versions)}}
    key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}}
    newest = {"name": "newest", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}}
    return {
        "/jobs": {
            "post": {
                **_named("post_job", "accept a prediction that may take long", {"202": _job, "200": _job}, POSTED),
                "parameters": [key],
                "requestBody": {"required": True, "content": form},
            },
            "get": {**_named("list_jobs", "the newest jobs", {"200": _jobs}, LISTED), "parameters": [newest]},
        },
        "/jobs/{id}": {
            "get": {**_named("get_job", "a job as it is now", {"200": _job}, FOUND), "parameters": [ID]},
            "delete": {
                **_named("delete_job", "cancel a job that has not ended, remove one that has", {"200": _job}, FOUND),
                "parameters": [ID],
            },
        },
        "/jobs/{id}/result": {
            "get": {**_named("get_result", "the result, or a range of it", {}, RESULT), "parameters": [ID]}
        },
    }


POSTED = ("400", "401", "404", "409", "413", "415", "422", "429", "503", "507")
LISTED = ("401", "422", "503")
FOUND = ("401", "404", "503")
RESULT = ("401", "404", "409", "503")
_job = {
    "type": "object",
    "required": ["id", "state"],
    "properties": {"id": {"type": "string"}, "state": {"enum": STATES}},
}
_jobs = {"type": "object", "required": ["jobs"], "properties": {"jobs": {"type": "array", "items": _job}}}


def _named(id: str, summary: str, good: dict[str, Any], bad: Sequence[str]) -> dict[str, Any]:
    answers: dict[str, Any] = {
        code: {"description": summary, "content": {"application/json": {"schema": schema}}}
        for code, schema in good.items()
    }
    if id == "delete_job":
        answers["204"] = {"description": f"removed: it had ended ({', '.join(sorted(ENDS))})"}
    if id == "get_result":
        files = {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()}
        answers |= {"200": {"description": "the whole", "content": files}}
        answers |= {"206": {"description": "the range that was asked for", "content": files}}
        answers |= {"304": {"description": "the caller has it"}, "416": {"description": "a range beyond the end"}}
    answers |= {code: {"description": ERRORS[code]} for code in bad}
    return {"operationId": id, "summary": summary, "responses": answers}


def _form(versions: Sequence[LoadedVersion]) -> dict[str, Any]:
    fields = dict(JobOptions.model_json_schema()["properties"])
    fields["looks"] = {"type": "string", "description": fields["looks"]["description"], "examples": ["4.4"]}
    fields[SERIES] = series_field(
        "GeoTIFFs of a time series, each with its date in its name, as in POST /<task>/series"
    )
    address = {
        "type": "string",
        "description": "s3://<allowed bucket>/<key> of a date instead; the key ends with a name",
    }
    fields[f"{SERIES}{URI_SUFFIX}"] = {"type": "array", "items": address}
    scenes = [version for version in versions if takes_scenes(version.spec)]
    for name in sorted({each.name for version in scenes for each in version.spec.inputs}):
        fields[name] = {"type": "string", "format": "binary", "description": "GeoTIFF, as in POST /<task>"}
        fields[f"{name}{URI_SUFFIX}"] = {"type": "string", "description": "s3://<allowed bucket>/<key> instead"}
    return {"type": "object", "properties": fields, "required": ["task"], "additionalProperties": False}
