"""Do chips of different splits come from one pass of one satellite? The same air, light and calibration, then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, NamedTuple

import geopandas as gpd
import pandas as pd
from pyproj import Geod

from components.tasks.leakage import roles_of
from components.tasks.params import Fold

ONE_PASS = timedelta(minutes=15)  # a satellite in low orbit is then 6,000 km on
SWATH_M = 400_000.0  # wider than the swath of Sentinel-1 and Sentinel-2


class SharedPass(NamedTuple):
    """Two sources in different splits that one satellite saw in one pass, and the metres between them."""

    left: str
    right: str
    distance_m: float


def shared_passes(index: gpd.GeoDataFrame, folds: Sequence[Fold]) -> tuple[SharedPass, ...]:
    """Pairs of sources in different splits that were seen in one pass: same orbit, same date. By index of chips.

    They were acquired within a quarter of an hour of each other (any input of the one and any of the other) and lie at
    most 400 km apart, between the centres of the first chip of each. A hint, not a fault: places apart may share a
    pass, but a score on the very same day says nothing about another one. Chips without time or place are left out.
    """
    roles = roles_of(index, folds)
    firsts = index.reset_index(drop=True).groupby("source", sort=True).head(1)
    told = {int(row): (_times(entry), entry) for row, entry in firsts.iterrows()}
    seen = {row: each for row, each in told.items() if each[0] and each[1]["geometry"] is not None}
    found = []
    for (row, (times, one)), (beside, (others, other)) in combinations(sorted(seen.items()), 2):
        if roles[row] != roles[beside] and any(abs(a - b) <= ONE_PASS for a in times for b in others):
            here, there = one["geometry"].centroid, other["geometry"].centroid
            distance = float(Geod(ellps="WGS84").inv(here.x, here.y, there.x, there.y)[2])
            if distance <= SWATH_M:
                found.append(SharedPass(one["source"], other["source"], distance))
    return tuple(found)


def split_sources(index: gpd.GeoDataFrame, folds: Sequence[Fold]) -> tuple[str, ...]:
    """Sources whose chips stand in different splits, sorted: one scene, one air, one light, whatever the distance."""
    roles = pd.Series(roles_of(index, folds), index=index.index, dtype=object).astype(str)
    found = roles.groupby(index["source"]).nunique()
    return tuple(sorted(found.index[found > 1]))


def _times(row: Any) -> tuple[datetime, ...]:  # noqa: ANN401 - a row of pandas
    """When the inputs of a chip were acquired, each time once."""
    about = json.loads(row["about"])
    told = {each["acquired"] for name, each in about.items() if name.startswith("inputs.") and each.get("acquired")}
    return tuple(datetime.fromisoformat(each) for each in sorted(told))
