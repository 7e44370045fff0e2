"""A sandbox dataset from its declaration: places and seeds in `dataset.yaml`, scenes in `raw/`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from rich.console import Console
from rich.progress import track

from components.errors import BadParams, UnknownName
from components.raster.dataset import finish, write_source
from components.raster.encoding import Encoding
from components.raster.scene import Scene
from components.simulation.change_series import CHANGES, ChangeSeries, change_series
from components.simulation.confusers import Confusers
from components.simulation.graded_changes import ChangeKind
from components.simulation.optical import optical_pair
from components.simulation.radar_optical import radar_optical
from components.simulation.radar_series import SPACING_DAYS, RadarSeries, radar_series
from components.simulation.speckle import Speckle
from components.simulation.territory import LEAST_SIDE_PX

# The scale of Sentinel-2 products; 0 is free for nodata because the sensor's reflectance starts at 1e-4.
REFLECTANCE = Encoding("uint16", scale=1e-4, nodata=0)
CODES = Encoding("uint8", nodata=255)
ENCODINGS = {
    **dict.fromkeys(("before", "after", "moving"), REFLECTANCE),
    **dict.fromkeys(("mask", "kind", "cover"), CODES),
}
SERIES_DATES, SERIES_SPECKLE = 24, Speckle(looks=4.4, correlation_px=0.5)

Seen = tuple[dict[str, Scene], dict[str, Any]]  # scenes by role, and what the item says of them


class Place(BaseModel):
    """A place and the seed that its territory grows from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    seed: int = Field(ge=0)


class Simulation(BaseModel):
    """The section `simulation` of a `dataset.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: Literal["optical-pair", "radar-optical", "radar-series", "change-series"] = "optical-pair"
    shape: tuple[int, int] = Field((256, 256), description="rows and columns of a place")
    places: tuple[Place, ...] = Field(min_length=1)
    changes: dict[str, ChangeKind] = Field({}, description="kinds of change of the view change-series")
    confusers: Confusers = Field(Confusers(), description="what varies in that view and is no change")

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for values in ([place.name for place in self.places], [place.seed for place in self.places]):
            if len(set(values)) != len(values):
                raise ValueError("places: a name or a seed stands twice")
        if min(self.shape) < LEAST_SIDE_PX:
            raise ValueError(f"shape: a side has at least {LEAST_SIDE_PX} px")
        if (self.view == "change-series") != bool(self.changes) or set(self.changes) - set(CHANGES):
            raise ValueError(f"changes: kinds {', '.join(CHANGES)} are for the view change-series, which needs one")
        return self


def read_simulation(folder: Path) -> Simulation:
    """The section `simulation` of the dataset in ``folder`` (`data/sources/<dataset>`).

    Raises:
        UnknownName: if there is no such dataset; names those that there are.
        BadParams: names file, key and problem.
    """
    path = folder / "dataset.yaml"
    if not path.is_file():
        raise UnknownName("dataset", folder.name, (found.parent.name for found in folder.parent.glob("*/dataset.yaml")))
    try:
        declared = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise BadParams(path, str(error)) from error
    if not isinstance(declared, dict) or "simulation" not in declared:
        raise BadParams(path, "simulation: missing; only a dataset with this section can be simulated")
    try:
        return Simulation.model_validate(declared["simulation"])
    except ValidationError as error:
        first = error.errors()[0]
        raise BadParams(path, f"{'.'.join(map(str, ('simulation', *first['loc'])))}: {first['msg']}") from error


def simulate(folder: Path) -> Path:
    """The folder `raw` of the dataset in ``folder``, made anew: one source a place, the same bytes every time.

    Raises:
        UnknownName: if there is no such dataset.
        BadParams: if its `dataset.yaml` does not say what to make.
        OSError: if the folder cannot be written; it has no manifest then.
    """
    wanted, raw = read_simulation(folder), folder / "raw"
    if raw.exists():
        shutil.rmtree(raw)
    console = Console(stderr=True)
    for place in track(wanted.places, folder.name, console=console, disable=not console.is_terminal):
        scenes, properties = VIEWS[wanted.view](place.seed, wanted)
        encodings = {role: ENCODINGS[role] for role in scenes if role in ENCODINGS}
        write_source(raw, place.name, place.name, scenes, encodings=encodings, properties=properties)
    finish(raw, folder.name)
    return raw


def _optical_pair(seed: int, wanted: Simulation) -> Seen:
    pair = optical_pair(seed, wanted.shape)
    scenes = {"before": pair.before, "after": pair.after, "mask": pair.change}
    return scenes, {"swath:seed": seed, "swath:shift_px": [round(shift, 4) for shift in pair.shift_px]}


def _radar_optical(seed: int, wanted: Simulation) -> Seen:
    pair = radar_optical(seed, wanted.shape)
    scenes = {"reference": pair.reference, "moving": pair.moving, "height": pair.height, "cover": pair.cover}
    look = pair.look
    about = {"sat:orbit_state": look.orbit, "view:incidence_angle": round(look.incidence_deg, 3)}
    return scenes, {"swath:seed": seed, "swath:averaged_dates": look.dates, **about}


def _radar_series(seed: int, wanted: Simulation) -> Seen:
    """A file a date, named by its day; what changed, from which date to which; the last date without speckle."""
    series = radar_series(seed, wanted.shape, dates=SERIES_DATES, seen=SERIES_SPECKLE)
    return _series(seed, series)


def _change_series(seed: int, wanted: Simulation) -> Seen:
    """As `_radar_series`, and how much each change brightens the ground."""
    series = change_series(
        seed, wanted.shape, wanted.changes, wanted.confusers, dates=SERIES_DATES, seen=SERIES_SPECKLE
    )
    scenes, about = _series(seed, series)
    return {**scenes, "contrast": series.contrast}, about


def _series(seed: int, series: RadarSeries | ChangeSeries) -> Seen:
    dates = {f"date-{date:%Y%m%d}": series.stack.scene(index) for index, date in enumerate(series.stack.dates)}
    last = series.stack.scene(len(series.stack.dates) - 1)
    truth = {"kind": series.kind, "span": series.span, "reflectivity": replace(last, array=series.reflectivity[-1])}
    about = {"swath:seed": seed, "swath:looks": SERIES_SPECKLE.looks, "swath:spacing_days": SPACING_DAYS}
    return {**dates, **truth}, about


VIEWS: dict[str, Callable[[int, Simulation], Seen]] = {
    "optical-pair": _optical_pair,
    "radar-optical": _radar_optical,
    "radar-series": _radar_series,
    "change-series": _change_series,
}
