"""Events: every changed patch of a series as a polygon that says what happened, from when to when, and how surely."""

from __future__ import annotations

from datetime import datetime
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from components.raster.grid import Grid
from components.raster.scene import Array, Features, Scene
from components.raster.vectors import polygonise
from components.tasks.change.reactiv_dating import APPEARED, BRIGHT, DARK, DISAPPEARED, DURATIONS, WHEN_BANDS

EVENTS = "events"
NEW, GONE, TEMPORARY = "new", "disappeared", "temporary"
KIND_OF = {APPEARED: NEW, DISAPPEARED: GONE, BRIGHT: TEMPORARY, DARK: TEMPORARY}
LEAST_PX = 4  # single pixels are mostly the false alarms that were asked for
DATES = {"first_date": "first_day", "last_date": "last_day", "onset": "onset_day"}
_DAY_US = 86_400_000_000


def events_of(when: Scene, probability: Scene, start: datetime, least_px: int = LEAST_PX) -> Features:
    """One polygon for each patch of at least ``least_px`` changed pixels (that share an edge) of one kind.

    ``when`` is what `reactiv_dating.dated` says of a series that begins at ``start``. The table: ``kind`` (`new`,
    `disappeared`, `temporary`); ``brighter``, than before or after; medians over the patch of the first and the last
    acquisition of the event and of its onset, as dates, and ``onset_error_days``, within which the onset of the
    typical pixel lies with 95 %; ``duration``, the commonest name of `DURATIONS` in the patch; ``area_m2`` (NaN without
    CRS); ``certainty``, the mean of ``probability``.
    """
    codes = np.nan_to_num(when.array[0]).astype(np.uint8)
    patches, geometries = _patches(codes, when.grid, least_px)
    index = np.arange(1, len(geometries) + 1)
    kind = np.asarray(ndimage.maximum(codes, patches, index), np.uint8).reshape(-1)
    days = {band: _median(when.array[WHEN_BANDS.index(band)], patches, index) for band in WHEN_BANDS[1:]}
    since = np.datetime64(start.replace(tzinfo=None), "us")
    dates = {name: _date(since, days[band]) for name, band in DATES.items()}
    table: dict[str, Array] = {
        "kind": np.array([KIND_OF[int(code)] for code in kind], dtype="U11"),
        "brighter": np.isin(kind, (APPEARED, BRIGHT)),
        **dates,
        "onset_error_days": days["onset_error_days"].astype(np.float32),
        "duration": _duration(when.array[WHEN_BANDS.index("duration")], patches, len(index)),
        "area_m2": np.bincount(patches.ravel(), minlength=len(index) + 1)[1:] * _pixel_m2(when.grid),
        "certainty": np.asarray(ndimage.mean(probability.array[0], patches, index), np.float32).reshape(-1),
    }
    return Features(geometries, when.grid.crs, table)


def _patches(codes: NDArray[np.uint8], grid: Grid, least_px: int) -> tuple[NDArray[np.int32], tuple[BaseGeometry, ...]]:
    """Patches numbered from 1 ``(row, col)``, 0 elsewhere, and their outlines in the CRS of the grid."""
    patches, count = np.zeros(codes.shape, np.int32), 0
    for code in KIND_OF:
        own, found = ndimage.label(codes == code)
        np.copyto(patches, own + count, where=own > 0)
        count += found
    sizes = np.bincount(patches.ravel(), minlength=count + 1)
    kept = np.flatnonzero(sizes[1:] >= least_px) + 1
    numbers = np.zeros(count + 1, np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    patches = numbers[patches]
    found = polygonise(Scene(patches[None], grid, ("patch",), "class", 0))
    outlines = dict(zip(found.table["code"].tolist(), found.geometries, strict=True))
    return patches, tuple(outlines[number] for number in range(1, len(kept) + 1))


def _median(values: Array, patches: NDArray[np.int32], index: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(ndimage.median(np.nan_to_num(values), patches, index), np.float64).reshape(-1)


def _duration(values: Array, patches: NDArray[np.int32], count: int) -> Array:
    """The name of the duration that most pixels of each patch have; of two equally common the shorter."""
    votes = [np.bincount(patches[values == each.code], minlength=count + 1)[1:] for each in DURATIONS]
    names = np.array([each.name for each in DURATIONS])
    return names[np.argmax(votes, axis=0)] if count else names[:0]


def _date(since: np.datetime64, days: NDArray[np.float64]) -> NDArray[np.datetime64]:
    return (since + np.rint(days * _DAY_US).astype("timedelta64[us]")).astype("datetime64[D]")


def _pixel_m2(grid: Grid) -> float:
    return float("nan") if grid.crs is None else prod(grid.pixel_size_m)
