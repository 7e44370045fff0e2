"""The summary table of a dataset of radar series: looks, holes, gaps between dates, jumps, shifts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from components.annotation.digest import digest_of
from components.annotation.rules import TableParams
from components.annotation.stacking import farthest_px
from components.errors import BadScene, NotEnoughData
from components.raster.dataset import Source
from components.raster.io import read_scene
from components.raster.radiometry import equivalent_looks, in_unit
from components.raster.scene import Scene

DECLARED_LOOKS = "swath:looks"  # property of an item


def summarise_series(sources: Sequence[Source], params: TableParams) -> pd.DataFrame:
    """One row a source, sorted; columns that are undefined are null.

    ``looks`` is the median over dates and bands of the equivalent number of looks, ``looks_ratio`` the same over what
    the item declares (`swath:looks`). ``longest_gap_days`` lies between two dates in a row. ``jump_db`` is the largest
    step of the scene between two dates in a row, as the median over pixels of the change in dB, of the band that steps
    farthest: seasons move a part of the ground by little, a change of calibration moves all of it. ``apart_px`` is how
    far a date lies from the others, see `stacking.farthest_px`; null over sea, where nothing stands still.

    Raises:
        NotEnoughData: if there is no source, or a source has fewer than two dates.
        BadScene: if a file cannot be read or does not say when it was acquired.
        UnitMismatch: if a date is neither amplitude, intensity nor decibels.
    """
    rows = [_row(source, params) for source in sources]
    if not rows:
        raise NotEnoughData("the dataset holds no source to check; ingest or simulate it first")
    return pd.DataFrame(rows)


def _row(source: Source, params: TableParams) -> dict[str, Any]:
    roles = sorted(role for role in source.files if role.startswith(params.date_prefix))
    if len(roles) < 2:
        raise NotEnoughData(f"{source.id} has {len(roles)} dates ({params.date_prefix}...); a series has at least two")
    dated = sorted((_dated(source, role) for role in roles), key=lambda each: each[0])
    dates, scenes = [date for date, _ in dated], [scene for _, scene in dated]
    first = scenes[0]
    same_grid = all(scene.grid.same_as(first.grid) for scene in scenes)
    row = {
        "level": "scene",
        "id": source.id,
        "scene": source.id,
        "place": source.place,
        "crs": first.grid.crs.to_string() if first.grid.crs else "none",
        "rows": first.grid.shape[0],
        "cols": first.grid.shape[1],
        "dates": len(dates),
        "distinct_dates": len({date.date() for date in dates}),
        "longest_gap_days": max((later - earlier).total_seconds() / 86_400 for earlier, later in pairwise(dates)),
        "same_grid": same_grid,
        "image_digest": digest_of(*scenes),
        "least_valid_fraction": min(float(scene.valid.mean()) for scene in scenes),
        **_looks(scenes, source.properties.get(DECLARED_LOOKS)),
    }
    # pixels of different grids or bands cannot be compared: the rest stays null
    comparable = same_grid and all(scene.bands == first.bands for scene in scenes)
    between = {"jump_db": max(map(_step_db, scenes, scenes[1:])), "apart_px": farthest_px(scenes)}
    return {**row, **(between if comparable else dict.fromkeys(between))}


def _dated(source: Source, role: str) -> tuple[datetime, Scene]:
    scene = in_unit(read_scene(source.files[role]), "intensity")
    if scene.acquired is None:
        raise BadScene(source.files[role], "it does not say when it was acquired", "ingest it with its date")
    return scene.acquired, scene


def _looks(scenes: Sequence[Scene], declared: object) -> dict[str, float | None]:
    found = [looks for scene in scenes for looks in equivalent_looks(scene).values() if looks is not None]
    looks = float(np.median(found)) if found else None
    known = isinstance(declared, int | float) and declared > 0 and looks is not None
    return {"looks": looks, "looks_ratio": looks / float(str(declared)) if known and looks else None}


def _step_db(earlier: Scene, later: Scene) -> float:
    """How far the whole scene steps, in the band that steps farthest; 0 where no pixel is seen on both dates."""
    steps = [0.0]
    for before, after in zip(earlier.array, later.array, strict=True):
        seen = np.isfinite(before) & np.isfinite(after) & (before > 0) & (after > 0)
        if seen.any():
            steps.append(abs(float(np.median(10 * np.log10(after[seen] / before[seen])))))
    return max(steps)
