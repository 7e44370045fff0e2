"""Cubes published as NetCDF-4 (openEO, GFMAP): variables over time and a projected grid, one day of them a scene."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date as Day
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from components.errors import BadScene
from components.raster.grid import Grid
from components.raster.limits import OpenLimits
from components.raster.scene import Scene

SUFFIX = ".nc"
EPOCH = "days since "
EVEN_SHARE = 1e-3  # of a pixel: steps of the axes that differ by more are no grid


def read_cube(path: Path, names: Sequence[str], date: Day | None, limits: OpenLimits) -> Scene:
    """The variables ``names`` (t, y, x) of one day, as stored; a cube of one day needs no ``date``.

    Axes `x` and `y` are centres of pixels; the CRS is that of the variables' grid mapping (CF conventions).

    Raises:
        BadScene: if the file is no NetCDF-4 file, lacks a variable or the day, is no even grid, or is too large.
    """
    if path.is_symlink():
        raise BadScene(path, "links are not followed", "put the file itself there")
    try:
        with h5py.File(path, "r") as file:
            grid, index = _grid(file, names, path), _index(file, date, path)
            size = 8 * len(names) * grid.shape[0] * grid.shape[1]
            if size > limits.decoded_bytes:
                reason = f"{size} bytes once decoded, at most {limits.decoded_bytes} are accepted"
                raise BadScene(path, reason, limits.remedy("decoded_bytes"))
            layers = np.stack([_layer(file[name], index) for name in names])
    except (OSError, KeyError, TypeError, ValueError, CRSError) as error:
        raise BadScene(path, f"is no cube of NetCDF-4 with axes t, y and x ({error})", "fetch it again") from error
    return Scene(layers, grid, tuple(names), "digital_number")


def _index(file: h5py.File, date: Day | None, path: Path) -> int:
    """Where a day stands on the time axis."""
    unit = _text(file["t"].attrs["units"])
    if not unit.startswith(EPOCH):
        raise BadScene(path, f"counts time in {unit!r}, expected {EPOCH}a day", "convert its time axis")
    days = np.datetime64(unit.removeprefix(EPOCH)[:10]) + np.asarray(file["t"]).astype("timedelta64[D]")
    found = np.flatnonzero(days == np.datetime64(date)) if date else np.arange(len(days))
    if len(found) != 1:
        wanted = f"holds {len(found)} images of {date}" if date else f"holds {len(days)} dates"
        raise BadScene(path, f"{wanted}, from {days.min()} to {days.max()}", "say which in dataset.yaml, key date")
    return int(found[0])


def _grid(file: h5py.File, names: Sequence[str], path: Path) -> Grid:
    lacking = [name for name in names if name not in file or file[name].ndim != 3]
    if lacking:
        known = ", ".join(sorted(name for name, each in file.items() if each.ndim == 3))
        raise BadScene(path, f"no cube {lacking[0]} among {known}", "mend names in dataset.yaml")
    x, y = (np.asarray(file[axis], dtype=np.float64) for axis in ("x", "y"))
    if len({file[name].shape[1:] for name in names} | {(len(y), len(x))}) != 1:
        raise BadScene(path, "holds cubes of several sizes", "fetch it again")
    steps = _step(x, path), _step(y, path)
    corner = x[0] - steps[0] / 2, y[0] - steps[1] / 2
    crs = CRS.from_wkt(_text(file[_text(file[names[0]].attrs["grid_mapping"])].attrs["crs_wkt"]))
    return Grid(crs, Affine(steps[0], 0, corner[0], 0, steps[1], corner[1]), (len(y), len(x)))


def _step(axis: NDArray[np.float64], path: Path) -> float:
    steps = np.diff(axis)
    if len(steps) < 1 or np.ptp(steps) > EVEN_SHARE * abs(steps[0]):
        raise BadScene(path, "its pixels are not evenly spaced", "resample it onto a grid first")
    return float(steps[0])


def _layer(cube: Any, index: int) -> NDArray[Any]:  # noqa: ANN401 - h5py ships no types
    """One day of a variable; NetCDF-3 knew no unsigned numbers, and says so in an attribute."""
    layer = np.asarray(cube[index])
    unsigned = _text(cube.attrs.get("_Unsigned", "false")) == "true"
    return layer.view(f"u{layer.dtype.itemsize}") if unsigned and layer.dtype.kind == "i" else layer


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
