"""Numbers that a decoder process sends, written as a file of our own: tiled, lossless, with all its meaning."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError  # what a full disk raises; no public name
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterioWindow

from components.raster.atomic import atomic
from components.raster.child import Reading
from components.raster.decoder import TILE_PX
from components.raster.handles import handles
from components.raster.header import ACQUIRED_TAG, CLASSES_TAG, SceneInfo, classes_as_text
from components.raster.parts import Part


def write_parts(target: Path, reading: Reading) -> None:
    """The parts of a file as a GeoTIFF of 512 px tiles, a band after another, ZSTD 1; complete or not there at all.

    Raises:
        BadScene: if the parts do not come to their end.
        OSError: if the file cannot be written.
    """
    info = reading.info
    with atomic(target) as temporary, _written(temporary, info) as dataset:
        for part, pixels in reading.parts():
            dataset.write(pixels, list(range(part.first + 1, part.last + 1)), window=_place(part))
        if info.masked:
            for part, mask in reading.mask():
                dataset.write_mask(mask[0], window=_place(part))


@contextmanager
def _written(path: Path, info: SceneInfo) -> Iterator[Any]:
    handles()  # the options of this thread
    try:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"), _created(path, info) as dataset:
            _describe(dataset, info)
            yield dataset
    except (RasterioError, CPLE_BaseError) as error:
        raise OSError(f"{path.parent} cannot hold the file ({error}); is the disk full?") from error


def _created(path: Path, info: SceneInfo) -> Any:  # noqa: ANN401 - rasterio ships no types
    with warnings.catch_warnings():  # a pixel grid is a legal thing here
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path, "w", **_profile(info))


def _profile(info: SceneInfo) -> dict[str, Any]:
    rows, cols = info.grid.shape
    profile = {"driver": "GTiff", "height": rows, "width": cols, "count": len(info.bands), "dtype": info.dtype}
    profile |= {"tiled": True, "blockxsize": TILE_PX, "blockysize": TILE_PX, "interleave": "band"}
    profile |= {"compress": "zstd", "zstd_level": 1, "BIGTIFF": "IF_SAFER", "photometric": "MINISBLACK", "alpha": "NO"}
    # An empty tile takes no space: a sparse scene stays small.
    profile |= {"nodata": info.nodata, "SPARSE_OK": True}
    if info.grid.crs is not None or info.grid.transform != Affine.identity():
        profile |= {"transform": info.grid.transform}
    return profile if info.grid.crs is None else profile | {"crs": info.grid.crs}


def _describe(dataset: Any, info: SceneInfo) -> None:  # noqa: ANN401 - rasterio ships no types
    count = len(info.bands)
    dataset.descriptions = info.bands
    dataset.units = (info.unit,) * count
    if info.scaled:
        dataset.scales, dataset.offsets = info.scales, info.offsets
    tags = dict(info.tags)
    if info.acquired is not None:
        tags[ACQUIRED_TAG] = info.acquired.isoformat()
    if info.classes:
        tags[CLASSES_TAG] = classes_as_text(info.classes)
    dataset.update_tags(**tags)
    dataset.colorinterp = (ColorInterp.gray,) + (ColorInterp.undefined,) * (count - 1)


def _place(part: Part) -> RasterioWindow:
    window = part.window
    return RasterioWindow(window.col, window.row, window.cols, window.rows)
