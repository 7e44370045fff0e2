"""What a run on radar series may say in the section `method` of its parameters; `prepare` is that of pairs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.raster.bands import canonical
from components.raster.scene import Unit
from components.tasks.change.seasons import Season
from components.tasks.change.series_history import History
from components.tasks.params import Params, RunParams, options

SeriesName = Literal["reactiv", "omnibus-dated", "statistics-network", "omnibus", "log-ratio"]
NAMES: tuple[SeriesName, ...] = ("reactiv", "omnibus-dated", "statistics-network", "omnibus", "log-ratio")
DATED: tuple[SeriesName, ...] = NAMES[:3]  # what says when, and names events


class SeriesOptions(Params):
    """The candidate: which method, what it sees, which share of stable ground it may call changed."""

    name: SeriesName
    sensor: str = "sentinel-1"
    bands: tuple[str, ...] = Field(min_length=1)
    unit: Unit = "intensity"
    pixel_size_m: tuple[float, float] | None = Field(None, description="smallest and largest pixel that is accepted")
    needs_crs: bool = False
    false_alarms: float = Field(0.01, gt=0, lt=0.5, description="share of stable pixels that is called changed")
    rival_rates: dict[SeriesName, Annotated[float, Field(gt=0, lt=0.5)]] = Field(
        {}, description="false alarms of rivals at their own best; others have those of the candidate"
    )
    looks: tuple[float, ...] | None = Field(None, description="equivalent looks by band; null: taken from the series")
    seasons: int = Field(0, ge=0, le=4, description="harmonics of the year that are no change; 0: nothing is masked")
    season_days: float = Field(548.0, gt=0, description="length from which a series shows seasons; shorter: no mask")
    least_days: float = Field(0.0, ge=0, description="events that end within as many days are no change")
    least_px: int = Field(4, ge=1, description="pixels of the smallest patch that is an event")
    window_px: int = Field(5, ge=1, description="side of the local mean of the log-ratio, odd")
    width: int = Field(24, ge=4, description="channels of the statistics network")
    threshold: float = Field(0.5, gt=0, lt=1, description="share from which the statistics network calls a change")
    crop_px: int = Field(48, ge=16, description="side of the crops that the statistics network is trained on")
    crops: int = Field(20_000, ge=1, description="distinct training crops; passes repeat after them")

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.looks is not None and len(self.looks) != len(self.bands):
            raise ValueError(f"looks: {len(self.looks)} numbers for {len(self.bands)} bands; give one a band")
        if self.window_px % 2 == 0:
            raise ValueError(f"window_px: {self.window_px} is even; give an odd side")
        return self

    @property
    def canonical_bands(self) -> tuple[str, ...]:
        """The bands by their one canonical name."""
        return tuple(canonical(name) for name in self.bands)

    @property
    def history(self) -> History:
        """Which alarms are events; a series that cannot show a season is not masked."""
        return History(self.season, season_optional=True, least_days=self.least_days, least_px=self.least_px)

    def rate_of(self, name: SeriesName) -> float:
        """The false alarms of a method of this run."""
        return self.false_alarms if name == self.name else self.rival_rates.get(name, self.false_alarms)

    @property
    def season(self) -> Season | None:
        """What counts as a season, if anything does."""
        return Season(self.seasons, least_days=self.season_days) if self.seasons else None


def is_series(params: RunParams) -> bool:
    """Whether the method of a run looks at series rather than pairs."""
    return params.method.get("name") in NAMES


def series_options(params: RunParams) -> SeriesOptions:
    """The section `method` of a run on series.

    Raises:
        BadParams: names the key and the problem.
    """
    return options(SeriesOptions, params.method, "change: method")
