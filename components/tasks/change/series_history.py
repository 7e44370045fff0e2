"""From alarms to events: what varies with the year is left out, the rest is dated, and its patches become polygons.

The same for every method that raises alarms on a series, so that methods differ by their alarms alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.inference.method import Outputs
from components.raster.scene import Scene, Stack
from components.tasks.change.activity import ACTIVITY, activity
from components.tasks.change.events import EVENTS, LEAST_PX, events_of
from components.tasks.change.pair import PROBABILITY, Ground, answer
from components.tasks.change.reactiv_dating import WHEN, dated, days_of, lasting
from components.tasks.change.seasons import Season, seasonal, shows_seasons

MASKED = "SEASONS_MASKED"


@dataclass(frozen=True)
class Alarms:
    """All ``(row, col)``: where there are enough dates, what is called changed, and how surely (0 to 1)."""

    valid: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    certainty: NDArray[np.float32]


@dataclass(frozen=True)
class History:
    """Which alarms are events.

    With ``season`` pixels that vary with the year are no change; with ``least_days`` neither are events that end
    within as many days: either way fields are left out of a search for building sites. A series whose dates cannot
    show a season is refused, or where ``season_optional`` not masked; the tag `MASKED` of `when` says which. Patches
    of fewer than ``least_px`` pixels (at the edge of a tile: pieces of them) are no event.
    """

    season: Season | None = None
    season_optional: bool = False
    least_days: float = 0.0
    least_px: int = LEAST_PX

    def told(self, stack: Stack, alarms: Alarms, looks: tuple[float, ...]) -> Outputs:
        """Outputs `change`, `probability` (0 where an alarm is no event), `when`, `activity` and `events`.

        Raises:
            NotEnoughData: if the dates cannot show a season that must be masked.
        """
        changed = alarms.changed
        season = self._season_of(stack)
        if season is not None:
            changed = changed & ~seasonal(stack, changed, season)
        when = dated(stack, changed, looks)
        when = replace(when, tags={**when.tags, MASKED: "no" if season is None else "yes"})
        if self.least_days > 0:
            when = lasting(when, self.least_days, days_of(stack.dates)[-1])
            changed = np.isfinite(when.array[0])
        # What a mask takes out is certain to be no change of interest.
        certainty = np.where(alarms.changed & ~changed, np.float32(0), alarms.certainty)
        said = answer(Ground(stack.grid, alarms.valid, stack.dates[-1]), changed, certainty)
        sure = said[PROBABILITY]
        assert isinstance(sure, Scene)
        events = events_of(when, sure, stack.dates[0], self.least_px)
        return {**said, WHEN: when, ACTIVITY: activity(stack, when, looks), EVENTS: events}

    def _season_of(self, stack: Stack) -> Season | None:
        """What is masked in this series."""
        if self.season is None or (self.season_optional and not shows_seasons(stack.dates, self.season)):
            return None
        return self.season
