"""The one way pixels come out of a file: by window and by band name, with their meaning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.windows import Window as RasterioWindow

from components.errors import BadScene
from components.raster.bands import band_indexes
from components.raster.grid import Window
from components.raster.handles import forget, opened
from components.raster.header import SceneInfo
from components.raster.scene import Array, Scene, Unit

_NAN = float("nan")


def describe(path: Path) -> SceneInfo:
    """What a file says of itself, without reading a pixel.

    Raises:
        BadScene: if the file is missing, empty, damaged or not a raster.
    """
    return opened(path).info


def read_scene(
    path: Path, *, bands: Sequence[str] | None = None, window: Window | None = None, decode: bool = True
) -> Scene:
    """Pixels of a window (the whole file for None) and of the named bands (all for None, in the file's order).

    With ``decode`` the file's scale and offset are applied and nodata is NaN: float32. A class map keeps its
    integer codes and its nodata value. Without ``decode`` the numbers are those that are stored; where the file
    has a scale or an offset, their unit is then `digital_number`. Band names come back canonical (`B2` is `B02`).

    Raises:
        BadScene: if the file is missing, empty, truncated or not a raster; names file and window.
        BandMismatch: if a band is missing; names expected and found bands.
        ValueError: if the window leaves the grid.
    """
    try:
        return _read(path, bands, window, decode)
    except RasterioIOError:
        forget(path)  # one fresh try: a handle can go stale on a network drive
    try:
        return _read(path, bands, window, decode)
    except RasterioIOError as error:
        reason = f"{window or 'the file'} cannot be read, it is truncated or damaged"
        raise BadScene(path, reason, "fetch it again") from error


def holds_data(path: Path, window: Window) -> bool:
    """False where a file certainly holds no pixel in the window: it stores none, and what is not stored is nodata.

    Takes microseconds, for no pixel is read.

    Raises:
        BadScene: as `describe`.
    """
    file = opened(path)
    return file.info.nodata is None or file.info.masked or may_hold_data(file.dataset, window)


def may_hold_data(dataset: Any, window: Window) -> bool:  # noqa: ANN401 - rasterio ships no types
    """True where an open dataset stores a block in the window, or does not say what it stores."""
    if dataset.driver != "GTiff" or (dataset.profile.get("interleave") == "band" and dataset.count > 1):
        return True
    rows, cols = dataset.block_shapes[0]
    return any(
        dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", 1)
        for row in range(window.row // rows, (window.row + window.rows - 1) // rows + 1)
        for col in range(window.col // cols, (window.col + window.cols - 1) // cols + 1)
    )


def _read(path: Path, bands: Sequence[str] | None, window: Window | None, decode: bool) -> Scene:
    file = opened(path)
    indexes = None if bands is None else band_indexes(bands, file.info.bands, path)
    return scene_from(file.dataset, file.info, indexes, window, decode)


def scene_from(
    dataset: Any,  # noqa: ANN401 - rasterio ships no types
    info: SceneInfo,
    indexes: Sequence[int] | None,
    window: Window | None,
    decode: bool,
) -> Scene:
    """Pixels of an open dataset as a scene; ``indexes`` count from 0, None for all bands. See `read_scene`."""
    grid = info.grid if window is None else info.grid.crop(window)
    place = None if window is None else RasterioWindow(window.col, window.row, window.cols, window.rows)
    numbers = None if indexes is None else [index + 1 for index in indexes]
    stored: Array = dataset.read(numbers, window=place)
    names = info.bands if indexes is None else tuple(info.bands[index] for index in indexes)
    if decode and info.unit != "class":
        values = _decoded(stored, info, indexes)
        if info.masked:
            values[:, dataset.dataset_mask(window=place) == 0] = np.nan
        return Scene(values, grid, names, info.unit, _NAN, info.acquired, info.classes, info.tags)
    unit: Unit = "digital_number" if info.scaled else info.unit
    return Scene(stored, grid, names, unit, info.nodata, info.acquired, info.classes, info.tags)


def _decoded(stored: Array, info: SceneInfo, indexes: Sequence[int] | None) -> NDArray[np.float32]:
    """Values in the unit of the file as float32 with NaN where nothing was seen."""
    # Found first: the values of a float32 file are scaled in place.
    empty = None if info.stored_nodata is None else stored == info.stored_nodata
    # numpy converts in half the time that GDAL takes while reading. What float32 cannot hold becomes infinite and
    # so is not valid either.
    with np.errstate(over="ignore"):
        values = stored.astype(np.float32, copy=False)
    if info.scaled:
        scale, offset = info.decoding
        one_for_all = indexes is None or scale.ndim == 0
        values *= scale if one_for_all else scale[indexes]
        values += offset if one_for_all else offset[indexes]
    if empty is not None:
        np.copyto(values, np.nan, where=empty)
    return values
