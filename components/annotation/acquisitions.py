"""Do chips of different splits come from one pass of one satellite? The same air, light and calibration, then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pandas as pd
from pyproj import Geod

from components.annotation.leakage import Leak, chips_apart
from components.tasks.chips import Prepared
from components.tasks.params import CrossValidation, PlaceSplit

ONE_PASS = timedelta(minutes=15)  # a satellite in low orbit is then 6,000 km on
SWATH_M = 400_000.0  # wider than the swath of Sentinel-1 and Sentinel-2


def shared_passes(prepared: Prepared, split: PlaceSplit | CrossValidation) -> tuple[Leak, ...]:
    """Pairs of sources in different splits, a chip of each, that one satellite saw in one pass: same orbit, same date.

    They were acquired within a quarter of an hour of each other (any input of the one and any of the other) and lie at
    most 400 km apart; ``measure`` is that distance in metres. A hint, not a fault: places apart may share a pass, but a
    score on the very same day says nothing about another one. Chips without time or place are not compared.
    """
    index = prepared.index.reset_index(drop=True)
    apart = chips_apart(index, split)
    firsts = index.groupby("source", sort=True).head(1)
    seen = {int(row): times for row in firsts.index if (times := _times(index.iloc[row].to_dict()))}
    placed = [row for row in seen if index.geometry[row] is not None]
    return tuple(_pairs(index, [pair for pair in combinations(placed, 2) if apart[pair]], seen))


def _pairs(index: pd.DataFrame, pairs: list[tuple[int, int]], seen: dict[int, tuple[datetime, ...]]) -> Iterator[Leak]:
    centres = {row: index.geometry[row].centroid for pair in pairs for row in pair}
    for left, right in pairs:
        if any(abs(one - other) <= ONE_PASS for one in seen[left] for other in seen[right]):
            one, other = centres[left], centres[right]
            distance = float(Geod(ellps="WGS84").inv(one.x, one.y, other.x, other.y)[2])
            if distance <= SWATH_M:
                yield Leak("same pass", index["chip"][left], index["chip"][right], distance)


def _times(row: dict[str, Any]) -> tuple[datetime, ...]:
    """When the inputs of a chip were acquired, each time once."""
    about = json.loads(row["about"])
    told = {each["acquired"] for name, each in about.items() if name.startswith("inputs.") and each.get("acquired")}
    return tuple(datetime.fromisoformat(each) for each in sorted(told))
