"""A whole dataset's displacement: the columns of each scene's shift, and their mean over places with its interval."""

from __future__ import annotations

from math import hypot
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from components.annotation.registration import SURE, Bool, Displacement, Float, Shift, find_shift, on_the_ground
from components.raster.grid import Grid

DATASET = "dataset"  # level and id of the row of the whole dataset
LEAST_PLACES = 3  # fewer have no interval
CONFIDENCE = 0.95
_AXES = {"right_px": "shift_right_px", "down_px": "shift_down_px", "east_m": "shift_east_m", "north_m": "shift_north_m"}


def shift_columns(
    codes: NDArray[np.integer], labelled: Bool, evidence: Float, seen: Bool, grid: Grid
) -> dict[str, float | None]:
    """The columns of one scene: its shift in pixels and metres with direction and confidence; null where undefined.

    ``sure_shift_px`` is the length where the confidence reaches 0.3, else null: a rule looks at this one. See
    `registration.find_shift` for the arguments.
    """
    shift = find_shift(codes, labelled, evidence, seen)
    placed = on_the_ground(shift, grid) if shift else None
    return {**_of_shift(shift), **_of_displacement(placed)}


def _of_shift(shift: Shift | None) -> dict[str, float | None]:
    if shift is None:
        return dict.fromkeys(("shift_down_px", "shift_right_px", "shift_confidence", "sure_shift_px"))
    return {
        "shift_down_px": shift.down_px,
        "shift_right_px": shift.right_px,
        "shift_confidence": shift.confidence,
        "sure_shift_px": shift.length_px if shift.confidence >= SURE else None,
    }


def _of_displacement(placed: Displacement | None) -> dict[str, float | None]:
    if placed is None:
        return dict.fromkeys(("shift_east_m", "shift_north_m", "shift_m", "shift_direction_deg"))
    return {
        "shift_east_m": placed.east_m,
        "shift_north_m": placed.north_m,
        "shift_m": placed.length_m,
        "shift_direction_deg": placed.direction_deg,
    }


def with_bias(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a row of level `dataset`: the mean shift over places and its 95 % interval.

    Scenes of one place are averaged first, for they are no independent evidence; scenes whose shift is not sure do not
    count. ``bias_least_px`` is the least length that the intervals of both axes allow: 0 where they hold no shift.
    Below three places there is no interval, and the row has the mean only.
    """
    scenes = table[table["level"] == "scene"]
    sure = scenes[scenes["sure_shift_px"].notna()] if "sure_shift_px" in scenes else scenes.iloc[:0]
    row: dict[str, Any] = {"level": DATASET, "id": DATASET, "bias_places": float(sure["place"].nunique())}
    means = {axis: _mean(sure, column) for axis, column in _AXES.items()}
    for axis, (mean, low, high) in means.items():
        row |= {f"bias_{axis}": mean, f"bias_{axis}_low": low, f"bias_{axis}_high": high}
    placed = Displacement(means["east_m"][0], means["north_m"][0])
    row |= {"bias_m": placed.length_m, "bias_direction_deg": placed.direction_deg}
    row["bias_least_px"] = hypot(_least(*means["right_px"][1:]), _least(*means["down_px"][1:]))
    return pd.concat([table, pd.DataFrame([row])], ignore_index=True)


def _mean(sure: pd.DataFrame, column: str) -> tuple[float, float, float]:
    """Mean over places, and the ends of its interval; NaN where undefined."""
    if sure.empty:
        return np.nan, np.nan, np.nan
    values = sure.groupby("place")[column].mean().dropna().astype(float).to_numpy()
    if len(values) < LEAST_PLACES:
        return (float(values.mean()) if len(values) else np.nan), np.nan, np.nan
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()), float(values.mean()) - half, float(values.mean()) + half


def _least(low: float, high: float) -> float:
    """Distance of an interval from 0."""
    return max(low, -high, 0.0) if np.isfinite(low) else np.nan
