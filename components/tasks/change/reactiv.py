"""REACTIV: what changed in a radar series is what varies more than speckle does.

Colin Koeniguer and Nicolas, Remote Sensing 2020. The coefficient of variation is that of amplitude; thresholds come
from simulation for the looks and for the number of dates that each pixel really has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from components.errors import BandMismatch, NotEnoughData
from components.inference.method import Outputs
from components.raster.scene import Scene, Stack, Value
from components.tasks.change.activity import BACKGROUND, background
from components.tasks.change.events import LEAST_PX
from components.tasks.change.reactiv_composite import COMPOSITE, Caps, Look, composite
from components.tasks.change.reactiv_theory import LEAST_DATES, RATES, Stable, crest, looks_of_crest, stable
from components.tasks.change.seasons import Season
from components.tasks.change.series import Moments, moments
from components.tasks.change.series_history import Alarms, History

SERIES = "series"
LOOKS_LIMIT = (0.5, 1000.0)


class Detection(NamedTuple):
    """What REACTIV says of a window; all but the moments ``(row, col)``.

    ``score`` is the largest of the polarisations' coefficients of variation in deviations above that of a stable
    pixel with as many dates, ``channel`` the polarisation that it comes from, ``false_alarms`` the share of stable
    pixels that would score as high in any polarisation. NaN, 0 and NaN where not ``valid``: no polarisation has
    enough dates.
    """

    moments: Moments
    score: NDArray[np.float32]
    channel: NDArray[np.intp]
    false_alarms: NDArray[np.float32]
    changed: NDArray[np.bool_]
    valid: NDArray[np.bool_]


def detect(stack: Stack, looks: tuple[float, ...], false_alarms: float) -> Detection:
    """Pixels that vary more than the wanted share of stable ones; ``looks`` has one number a band.

    A band without enough dates at a pixel (or without any pixel at all) leaves the decision to the others, whose
    thresholds are then those of fewer channels.

    Raises:
        NotEnoughData: if the stack has fewer than `LEAST_DATES` dates.
        UnitMismatch: if it is no radar image.
    """
    require_dates(stack)
    found = moments(stack)
    tables = [stable(each, len(stack.dates)) for each in looks]
    enough = found.count >= LEAST_DATES
    channels = enough.sum(axis=0)
    cv = found.cv
    excess = np.full(cv.shape, -np.inf, np.float32)
    rate = np.full(cv.shape[1:], np.inf, np.float32)
    changed = np.zeros(cv.shape[1:], bool)
    for band, table in enumerate(tables):
        count = found.count[band]
        z = (cv[band] - table.mean.astype(np.float32)[count]) / table.deviation.astype(np.float32)[count]
        np.copyto(excess[band], z, where=enough[band])
        changed |= enough[band] & (cv[band] > _limits(table, false_alarms, len(tables))[channels, count])
        np.copyto(rate, np.minimum(rate, _rates(table, cv[band], count)), where=enough[band])
    valid = channels > 0
    score = np.where(valid, excess.max(axis=0), np.float32(np.nan))
    rate = np.where(valid, 1 - (1 - rate) ** channels, np.nan).astype(np.float32)
    return Detection(found, score, np.where(valid, excess.argmax(axis=0), 0), rate, changed, valid)


def estimated_looks(found: Moments) -> tuple[float, ...]:
    """The looks of each band by where coefficients of variation crowd: right where half of the pixels are stable.

    Raises:
        NotEnoughData: if no band has a pixel with `LEAST_DATES` dates.
    """
    looks = [_looks(found.cv[band], found.count[band]) for band in range(found.count.shape[0])]
    known = [each for each in looks if each is not None]
    if not known:
        raise NotEnoughData(
            f"no pixel has {LEAST_DATES} dates, so the looks cannot be estimated; add dates that show the same ground, "
            "or give the looks"
        )
    return tuple(float(np.clip(each or np.median(known), *LOOKS_LIMIT)) for each in looks)


@dataclass(frozen=True)
class Reactiv:
    """Change, its certainty, its dates, its events and the composite of a series of ``bands``.

    ``looks`` None: estimated by the survey. ``caps`` are the amplitudes shown at full brightness. ``season`` to
    ``least_px`` say which alarms are events, see `History`.
    """

    bands: tuple[str, ...]
    looks: tuple[float, ...] | None = None
    false_alarms: float = 0.01
    look: Look = field(default_factory=Look)
    caps: Caps | None = None
    season: Season | None = None
    season_optional: bool = False
    least_days: float = 0.0
    least_px: int = LEAST_PX
    halo_px: int | None = 0

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes looks and brightness of the series; one that is too short is refused as such."""
        stack = series_of(scenes, self.bands)
        require_dates(stack)
        found = moments(stack)
        looks = self.looks or estimated_looks(found)
        return replace(self, looks=looks, caps=self.caps or Caps.of(found))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Outputs `change`, `probability`, `when` and `activity`, `events`, `composite` and `background`.

        `probability` is 1 less the share of stable pixels that vary as much; it is no posterior.
        """
        if self.looks is None or self.caps is None:
            return self.survey(scenes).predict(scenes)
        stack = series_of(scenes, self.bands)
        found = detect(stack, self.looks, self.false_alarms)
        picture = composite(found.moments, found.score, found.channel, stack.dates, self.caps, self.look)
        rgb = Scene(picture, stack.grid, ("red", "green", "blue"), "digital_number", 0, stack.dates[-1])
        alarms = Alarms(found.valid, found.changed, 1 - found.false_alarms)
        ground = background(stack, found.moments.mean, found.changed, self.looks)
        return {**self._history.told(stack, alarms, self.looks), COMPOSITE: rgb, BACKGROUND: ground}

    @property
    def _history(self) -> History:
        """Which alarms are events."""
        return History(self.season, self.season_optional, self.least_days, self.least_px)


def series_of(scenes: Mapping[str, Value], bands: tuple[str, ...]) -> Stack:
    """The series with exactly these bands.

    Raises:
        BandMismatch: if there is no series, or a band is missing.
    """
    stack = scenes.get(SERIES)
    if not isinstance(stack, Stack):
        raise BandMismatch(f"change in a series needs the stack {SERIES}", (SERIES,), tuple(scenes))
    if stack.bands == bands:
        return stack
    if not set(bands) <= set(stack.bands):
        raise BandMismatch(SERIES, bands, stack.bands)
    chosen = [stack.bands.index(band) for band in bands]
    return replace(stack, array=stack.array[:, chosen], bands=bands)


def require_dates(stack: Stack, least: int = LEAST_DATES) -> None:
    """Nothing where the series is long enough.

    Raises:
        NotEnoughData: says how many dates there are and how many are needed.
    """
    if len(stack.dates) < least:
        raise NotEnoughData(f"expected at least {least} dates, found {len(stack.dates)}; add dates to the series")


def _limits(table: Stable, false_alarms: float, channels: int) -> NDArray[np.float32]:
    """Thresholds ``(channels + 1, dates + 1)``; no channel, no alarm."""
    rows = [np.full(table.mean.shape, np.inf), *(table.thresholds(false_alarms, n + 1) for n in range(channels))]
    return np.stack(rows).astype(np.float32)


def _rates(table: Stable, cv: NDArray[np.float32], count: NDArray[np.int32]) -> NDArray[np.float32]:
    """The share of stable pixels that vary as much, within the simulated rates."""
    rates = np.ones(cv.shape, np.float32)
    for dates in np.unique(count[count >= LEAST_DATES]):
        own = count == dates
        rates[own] = np.interp(cv[own], table.quantiles[dates, ::-1], RATES[::-1])
    return rates


def _looks(cv: NDArray[np.float32], count: NDArray[np.int32]) -> float | None:
    seen = count >= LEAST_DATES
    if not seen.any():
        return None
    dates = int(np.median(count[seen]))
    usual = cv[seen & (count == dates)] if (count == dates).any() else cv[seen]
    return looks_of_crest(crest(usual), dates)
