"""Vector files from outside: opened by what their first bytes are, read around a place, in their own CRS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FieldError
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

from components.errors import BadScene
from components.raster.grid import Grid

Bounds = tuple[float, float, float, float]
HEAD_BYTES = 64
MOST_BYTES = 2 * 1024**3  # of a file without an index, which is read as a whole
# Suffix -> what the first bytes hold. A VRT, which could read any file of this machine, has none of them.
_SIGNS: Mapping[str, bytes] = {
    ".gpkg": b"SQLite format 3\0",
    ".shp": b"\x00\x00\x27\x0a",
    ".parquet": b"PAR1",
    ".geoparquet": b"PAR1",
    ".pbf": b"OSMHeader",
    ".geojson": b"{",
}
_INDEXED = (".gpkg", ".shp")
_PARQUET = (".parquet", ".geoparquet")


class Layers:
    """Vector layers of one ingestion: files without a spatial index are read once and kept."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Path, str | None], geopandas.GeoDataFrame] = {}

    def around(self, path: Path, layer: str | None, grid: Grid, crs: str | None) -> geopandas.GeoDataFrame:
        """The features whose boxes meet the ground of ``grid``, in the CRS of the file (``crs`` where it has none).

        Raises:
            BadScene: if it is no such file, has no CRS, or all of it lies elsewhere.
        """
        require_kind(path)
        if path.suffix.lower() in _INDEXED:
            boxes = _boxes(grid, _crs_of(path, layer, crs))
            parts = [_read(path, layer, box) for box in boxes]
            found = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
            if found.empty:
                _require_near(path, _extent(path, layer), boxes, grid)
            return _placed(found, path, crs)
        if (path, layer) not in self._kept:
            self._kept[path, layer] = _placed(_read(path, layer, None), path, crs)
        whole = self._kept[path, layer]
        boxes = _boxes(grid, whole.crs)
        picked = sorted({int(at) for box in boxes for at in whole.sindex.intersection(box)})
        if not picked:
            _require_near(path, tuple(whole.total_bounds), boxes, grid)
        return whole.iloc[picked]


def require_kind(path: Path) -> None:
    """Nothing where the first bytes are those of the format that the suffix names.

    Raises:
        BadScene: if they are not, or it is a link or too large to be read as a whole.
    """
    suffix = path.suffix.lower()
    sign = _SIGNS.get(suffix)
    if sign is None or path.is_symlink():
        raise BadScene(path, "is no vector file that is read here", f"give one of {', '.join(sorted(_SIGNS))}")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not (sign in head if suffix == ".pbf" else head.startswith(sign)):
        raise BadScene(path, f"its first bytes are not those of {suffix}", "fetch it again")
    if suffix not in _INDEXED and path.stat().st_size > MOST_BYTES:
        raise BadScene(path, "is larger than 2 GB and has no spatial index", "convert it to GeoPackage with ogr2ogr")


def _read(path: Path, layer: str | None, bounds: Bounds | None) -> geopandas.GeoDataFrame:
    try:
        if path.suffix.lower() in _PARQUET:
            return geopandas.read_parquet(path)
        return pyogrio.read_dataframe(path, layer=layer, bbox=bounds)
    except (DataSourceError, DataLayerError, FieldError, ValueError, OSError) as error:
        known = _layers(path)
        raise BadScene(path, f"cannot be read ({error}); layers: {known}", "name one in label.vectors.layer") from error


def _layers(path: Path) -> str:
    try:
        return ", ".join(str(name) for name, _ in pyogrio.list_layers(path)) or "none"
    except (DataSourceError, OSError):
        return "none that can be listed"


def _crs_of(path: Path, layer: str | None, crs: str | None) -> object:
    try:
        found = pyogrio.read_info(path, layer=layer).get("crs")
    except (DataSourceError, DataLayerError) as error:
        raise BadScene(path, f"cannot be read ({error})", f"layers: {_layers(path)}") from error
    return _require_crs(crs or found, path)


def _require_crs(crs: object, path: Path) -> object:
    if crs is None:
        raise BadScene(path, "has no CRS", "state label.vectors.crs, for example EPSG:4326")
    return crs


def _placed(found: geopandas.GeoDataFrame, path: Path, crs: str | None) -> geopandas.GeoDataFrame:
    if crs is not None:
        return found.set_crs(crs, allow_override=True)
    _require_crs(found.crs, path)
    return found


def _boxes(grid: Grid, crs: object) -> list[Bounds]:
    """The ground of the grid in another CRS: one box, or two where it crosses the antimeridian."""
    target = CRS.from_user_input(crs)
    west, south, east, north = transform_bounds(grid.crs, target, *grid.bounds, densify_pts=21)
    if west <= east or not target.is_geographic:
        return [(west, south, east, north)]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def _extent(path: Path, layer: str | None) -> Bounds:
    found = pyogrio.read_info(path, layer=layer, force_total_bounds=True)["total_bounds"]
    return found if found is not None else (float("nan"),) * 4


def _require_near(path: Path, bounds: Bounds, boxes: list[Bounds], grid: Grid) -> None:
    """Nothing where the extents of file and image meet: ground without any feature is not a wrong CRS."""
    west, south, east, north = bounds
    is_near = any(box[0] <= east and box[2] >= west and box[1] <= north and box[3] >= south for box in boxes)
    if not is_near and np.isfinite(bounds).all():  # an empty file has no extent
        shown = ", ".join(f"{each:.6g}" for each in bounds)
        raise BadScene(path, f"all features lie within ({shown}), beside {grid}", "look at the CRS of both")
