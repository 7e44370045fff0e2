"""Between class maps and polygons, and out into the world as GeoJSON."""

from __future__ import annotations

from collections.abc import Collection
from math import isfinite
from typing import Any

import numpy as np
from rasterio import features as burn
from rasterio.crs import CRS
from rasterio.warp import transform_geom
from shapely.geometry import Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from components.errors import BadScene, GridMismatch
from components.raster.cog import quiet
from components.raster.grid import Grid
from components.raster.scene import Array, Class, Features, Scene, Unit

WGS84 = CRS.from_epsg(4326)
_DECIMALS = 7  # degrees: about a centimetre, RFC 7946 asks for no more


def polygonise(scene: Scene, *, skip: Collection[int] = ()) -> Features:
    """One polygon for each connected patch of equal class codes (pixels that share an edge), nodata left out.

    The table holds `code` and, where the scene has classes, `name`. Codes in ``skip`` (the background) are left out.

    Raises:
        BadScene: if the scene is not a class map of one band.
    """
    if scene.unit != "class" or len(scene.bands) != 1:
        raise BadScene("scene", f"{len(scene.bands)} bands of unit {scene.unit}", "polygonise one band of class codes")
    codes = scene.array[0].astype(np.int32)
    wanted = scene.valid & ~np.isin(codes, list(skip))
    with quiet():
        found = [(shape(g), int(code)) for g, code in burn.shapes(codes, wanted, 4, scene.grid.transform)]
    table: dict[str, Array] = {"code": np.array([code for _, code in found], np.int32)}
    if scene.classes:
        names = {each.code: each.name for each in scene.classes}
        table["name"] = np.array([names.get(code, str(code)) for _, code in found], dtype=np.str_)
    return Features(tuple(geometry for geometry, _ in found), scene.grid.crs, table)


def rasterise(
    features: Features,
    grid: Grid,
    column: str | None,
    *,
    classes: tuple[Class, ...] = (),
    unit: Unit = "class",
    background: float = 0,
    all_touched: bool = False,
) -> Scene:
    """The features burnt onto the grid: a pixel takes the value of the last feature that covers its centre.

    With ``all_touched`` it is enough that a feature touches the pixel.

    Values come from ``column`` of the table, 1 for None; ``background`` stands elsewhere. The type is uint8 where
    that holds all values, else int32 or float32.

    Raises:
        GridMismatch: if features and grid have different CRS; nothing is reprojected here.
        ValueError: if there is no such column.
    """
    if features.crs != grid.crs:
        raise GridMismatch(f"features in {features.crs or 'no CRS'}", grid, "reproject the features first")
    if column is not None and column not in features.table:
        raise ValueError(f"no column {column!r} among {', '.join(sorted(features.table)) or 'none'}")
    values = np.ones(len(features.geometries)) if column is None else np.asarray(features.table[column])
    dtype = _type_of(np.append(values, background))
    array = np.full((1, *grid.shape), background, dtype)
    pairs = [(g, v) for g, v in zip(features.geometries, values.tolist(), strict=True) if not g.is_empty]
    if pairs:
        burn.rasterize(pairs, out=array[0], transform=grid.transform, all_touched=all_touched)
    return Scene(array, grid, (column or "mask",), unit, classes=classes)


def to_geojson(features: Features) -> dict[str, Any]:
    """A GeoJSON FeatureCollection in WGS 84 (longitude, latitude; exterior rings counter-clockwise).

    Geometries that cross the antimeridian are cut there, as RFC 7946 asks.

    Raises:
        BadScene: if the features have no CRS.
    """
    if features.crs is None:
        raise BadScene("features", "no CRS, so no place on the ground", "use a scene with a CRS")
    rows = [
        {name: _plain(column[i]) for name, column in features.table.items()} for i in range(len(features.geometries))
    ]
    geometries = (_in_wgs84(geometry, features.crs) for geometry in features.geometries)
    listed = [{"type": "Feature", "geometry": g, "properties": p} for g, p in zip(geometries, rows, strict=True)]
    return {"type": "FeatureCollection", "features": listed}


def _plain(value: Any) -> Any:  # noqa: ANN401 - one entry of a table, as JSON has it
    """A number, a text or a truth value; dates as ISO 8601, what is not finite as null."""
    if isinstance(value, np.datetime64):
        return str(value)
    found = value.item()
    return None if isinstance(found, float) and not isfinite(found) else found


def _in_wgs84(geometry: BaseGeometry, crs: CRS) -> dict[str, Any]:
    moved = transform_geom(crs, WGS84, mapping(geometry), antimeridian_cutting=True, precision=_DECIMALS)
    found = shape(moved)
    # RFC 7946: exterior rings run counter-clockwise; rasters with rows going down give them clockwise.
    return dict(mapping(orient(found, 1.0) if isinstance(found, Polygon) else found))


def _type_of(values: Array) -> str:
    if not np.array_equal(values, np.round(values)):
        return "float32"
    return "uint8" if values.min() >= 0 and values.max() <= 255 else "int32"
