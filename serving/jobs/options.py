"""What the form of a job may ask for, and what makes two forms the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from components.raster.scene import Unit
from components.tasks.params import first_problem
from components.tasks.seam import OutputSpec
from serving.errors import WrongForm
from serving.jobs.receiving import Received
from serving.series.kinds import SeriesFields

URI_SUFFIX = "_uri"
JobFormat = Literal["cog", "geojson", "zip"]


class JobOptions(SeriesFields):
    """Options of a job; a field that is none of them, no input and no `<input>_uri` is refused."""

    task: str = Field(description="the task, as in POST /<task> and, where files are sent as series, /<task>/series")
    run: str | None = Field(None, description="which run answers; may be left out where the task has one in service")
    output: str | None = Field(None, description="an output by name, or `classes` or `probability`; default: the first")
    format: JobFormat | None = Field(
        None, description="GeoTIFF on the grid of the inputs (default), vectors in WGS 84, or of a series an archive"
    )
    unit: Unit | None = Field(None, description="unit of inputs whose files name none, as most GeoTIFFs do not")


def read_options(fields: Mapping[str, str]) -> tuple[JobOptions, dict[str, str]]:
    """The options among the form fields, and addresses of objects by input.

    Raises:
        WrongForm: names the field and what is wrong with it.
    """
    uris = {n.removesuffix(URI_SUFFIX): text for n, text in fields.items() if n.endswith(URI_SUFFIX)}
    rest = {name: text for name, text in fields.items() if not name.endswith(URI_SUFFIX)}
    try:
        return JobOptions.model_validate(rest), uris
    except ValidationError as error:
        known = ", ".join(JobOptions.model_fields)
        raise WrongForm(f"form field {first_problem(error)}; the options are {known}") from error


def request_digest(options: JobOptions, form: Received, uris: Mapping[str, str]) -> str:
    """What makes two requests the same: every option and every byte (or address) of every input."""
    files = {name: each.digest for name, each in form.files.items()}
    unsaid = SeriesFields.model_fields.keys() - set(options.given)  # as if scenes had never had such fields
    said = {**options.model_dump(mode="json", exclude=unsaid), "format": options.format or "cog"}
    asked: list[Any] = [said, files, dict(uris)]
    if form.series or form.series_uris:
        asked += [sorted((each.name, each.digest) for each in form.series), sorted(form.series_uris)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def scene_format(options: JobOptions, output: OutputSpec) -> JobFormat:
    """The format of an answer about scenes.

    Raises:
        WrongForm: if the output cannot have it.
    """
    if options.format == "zip":
        raise WrongForm("format zip is of time series; ask for format cog or geojson")
    if options.format == "geojson" and output.kind == "continuous":
        raise WrongForm(f"output {output.name} is a raster of unit {output.unit}; ask for format cog")
    if options.format != "geojson" and output.kind == "features":
        raise WrongForm(f"output {output.name} is features; ask for format geojson")
    return options.format or "cog"
