"""Which runs answer time series, and how: a method of a series sees all dates, one of a scene each date by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from components.deployment.loading import LoadedVersion
from components.errors import UnknownName
from components.raster.scene import Unit
from components.raster.stack_units import RADAR_UNITS
from components.raster.stacks import LEAST_DATES
from components.tasks.params import first_problem
from components.tasks.seam import InputSpec, OutputSpec, Spec
from serving.errors import WrongForm

SeriesFormat = Literal["cog", "geojson", "png", "zip"]
MOST_LOOKS = 8


class SeriesFields(BaseModel):
    """What a form says of its series."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: str | None = Field(
        None,
        description="template of the file names; * stands for anything",
        examples=["S1_{date}_{band}.tif", "*_{date}.tif"],
    )
    orbit: str | None = Field(
        None, max_length=8, description="relative orbit, where the names hold several", examples=["137"]
    )
    looks: tuple[float, ...] | None = Field(
        None, description="equivalent number of looks, or one for each band with commas; default: as the run says"
    )

    @field_validator("looks", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("looks")
    @classmethod
    def _positive(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not (len(value) <= MOST_LOOKS and all(0 < each < 1e4 for each in value)):
            raise ValueError(f"expected up to {MOST_LOOKS} numbers above 0, such as 4.4 or 4.9,4.4")
        return value

    @property
    def given(self) -> list[str]:
        """The fields that were filled in."""
        return [name for name in SeriesFields.model_fields if getattr(self, name) is not None]


class SeriesOptions(SeriesFields):
    """Options of `POST /<task>/series`; a field that is none of them is refused."""

    run: str | None = Field(None, description="which run answers; may be left out where one of the task does")
    output: str | None = Field(None, description="an output by name, kind or unit; default: the first")
    format: SeriesFormat | None = Field(
        None, description="default: cog, where a run filters every date zip; zip of a run on series: all its outputs"
    )
    unit: Unit | None = Field(
        None, description="amplitude, intensity or db, where the files do not say", examples=["intensity"]
    )

    @classmethod
    def of(cls, fields: dict[str, str]) -> Self:
        """The options among the form fields.

        Raises:
            WrongForm: names the field and what is wrong with it.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            known = ", ".join(cls.model_fields)
            raise WrongForm(f"form field {first_problem(error)}; the options are {known}") from error


def series_input(spec: Spec) -> InputSpec | None:
    """The input that a time series can be given to; None where the run takes none.

    It is the only input of the run, a radar series or a radar scene.
    """
    if len(spec.inputs) != 1:
        return None
    (only,) = spec.inputs
    return only if only.kind in ("stack", "scene") and only.unit in RADAR_UNITS else None


def takes_scenes(spec: Spec) -> bool:
    """True where every input is a scene."""
    return all(each.kind == "scene" for each in spec.inputs)


def is_by_date(spec: Spec) -> bool:
    """True where the run sees one scene at a time, so that a series is answered date by date."""
    return takes_scenes(spec)


def least_dates(spec: Spec) -> int:
    """Fewest dates that make a series for a run; a method may want more."""
    return 1 if is_by_date(spec) else LEAST_DATES


def require_series_run(version: LoadedVersion, loaded: Sequence[LoadedVersion], task: str) -> InputSpec:
    """The input of the run that takes the series.

    Raises:
        UnknownName: if the run is of another task.
        WrongForm: if it takes no series; names those that do.
    """
    own = [each for each in loaded if each.task_name == task]
    if version.task_name != task:
        raise UnknownName(f"{task} run", version.run, [each.run for each in own])
    found = series_input(version.spec)
    if found is None:
        inputs = ", ".join(each.name for each in version.spec.inputs)
        others = ", ".join(each.run for each in own if series_input(each.spec)) or "none in service"
        raise WrongForm(f"run {version.run} takes {inputs} and no time series; runs of {task} that do: {others}")
    return found


def series_format(asked: SeriesFormat | None, output: OutputSpec, spec: Spec) -> SeriesFormat:
    """The format of an answer.

    Raises:
        WrongForm: if the output of the run cannot have it.
    """
    if is_by_date(spec):
        if asked not in (None, "zip"):
            raise WrongForm(f"every date of the series has an answer of its own; ask for format zip, not {asked}")
        return "zip"
    chosen = asked or "cog"
    if chosen == "geojson" and output.kind == "continuous":
        raise WrongForm(f"output {output.name} is a raster of unit {output.unit}; ask for format cog or zip")
    if chosen in ("cog", "png") and output.kind == "features":
        raise WrongForm(f"output {output.name} is features; ask for format geojson or zip")
    return chosen
