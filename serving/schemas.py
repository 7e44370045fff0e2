"""The form of a prediction request: options as fields, one named file an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.deployment.loading import LoadedVersion
from components.raster.scene import Unit
from components.tasks.params import first_problem
from components.tasks.seam import OutputSpec, Spec
from serving.errors import WrongForm

Format = Literal["cog", "geojson", "png"]
MEDIA_TYPES: Mapping[str, str] = {
    "cog": "image/tiff; application=geotiff; profile=cloud-optimized",
    "geojson": "application/geo+json",
    "png": "image/png",
    "zip": "application/zip",  # of time series only
}
SUFFIXES: Mapping[str, str] = {"cog": "tif", "geojson": "geojson", "png": "png", "zip": "zip"}
FORMATS: tuple[str, ...] = get_args(Format)


class Options(BaseModel):
    """Options of a prediction; a field that is none of them is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str | None = Field(None, description="which run answers; may be left out where the task has one in service")
    output: str | None = Field(None, description="an output by name, or `classes` or `probability`; default: the first")
    format: Format = Field("cog", description="GeoTIFF on the grid of the first input, vectors in WGS 84, or a picture")
    unit: Unit | None = Field(None, description="unit of inputs whose files name none, as most GeoTIFFs do not")


@dataclass(frozen=True)
class Form:
    """A parsed request: options, and each file by field name: its bytes, or where a large one lies."""

    options: Options
    files: Mapping[str, bytes | Path] = field(repr=False)


def read_options(fields: Mapping[str, str]) -> Options:
    """The options among the form fields.

    Raises:
        WrongForm: names the field and what is wrong with it.
    """
    try:
        return Options.model_validate(dict(fields))
    except ValidationError as error:
        known = ", ".join(Options.model_fields)
        raise WrongForm(f"form field {first_problem(error)}; the options are {known}") from error


def choose_version(run: str | None, candidates: Sequence[LoadedVersion], task: str) -> str:
    """The run that answers: the one asked for, or the only one of the task in service.

    Raises:
        WrongForm: if several runs of the task are in service and none was chosen.
    """
    if run:
        return run
    runs = [version.run for version in candidates if version.task_name == task]
    if len(runs) > 1:
        raise WrongForm(f"several runs of {task} are in service: {', '.join(runs)}; choose one with the field run")
    return runs[0] if runs else task


def choose_output(asked: str | None, spec: Spec) -> OutputSpec:
    """The output asked for, by its name, kind or unit; the first one where none was.

    Raises:
        WrongForm: names the outputs that there are.
    """
    if asked is None:
        return spec.outputs[0]
    for output in spec.outputs:
        if asked in (output.name, output.kind, output.unit):
            return output
    names = ", ".join(output.name for output in spec.outputs)
    raise WrongForm(f"no output {asked!r}; this run has {names}")
