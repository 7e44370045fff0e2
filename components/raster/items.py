"""STAC items of ingested sources: what lies where, on which grid, with which bands, seen when."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
from rasterio.warp import transform_bounds
from shapely.geometry import MultiPolygon, box, mapping

from components.raster.bands import common_name
from components.raster.cog import Encoding
from components.raster.grid import Grid
from components.raster.scene import Scene

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
PARQUET = "application/vnd.apache.parquet"
_EXTENSIONS = {
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "eo": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "classification": "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
}
_PLACE, _UNKNOWN_TIME = "swath:place", "swath:acquired"
_ALWAYS = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


def item_of(
    id: str,
    place: str,
    scenes: Mapping[str, Scene],
    encodings: Mapping[str, Encoding],
    properties: Mapping[str, Any],
    vectors: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The STAC item of one source as JSON; assets by role, with hrefs relative to the folder of items.

    ``vectors`` names the roles that are GeoParquet.

    A pixel grid has no place on the ground: its geometry is null. Where no scene says when it was acquired, the
    item spans all time and `swath:acquired` says `unknown`, because STAC has no word for that.
    """
    bounds = _bounds_wgs84([scene.grid for scene in scenes.values()])
    times = sorted(_utc(scene.acquired) for scene in scenes.values() if scene.acquired)
    start, end = (times[0], times[-1]) if times else _ALWAYS
    item = pystac.Item(
        id=id,
        geometry=_footprint(*bounds) if bounds else None,
        bbox=list(bounds) if bounds else None,
        datetime=start if times and start == end else None,
        start_datetime=None if times and start == end else start,
        end_datetime=None if times and start == end else end,
        properties={**properties, _PLACE: place, **({} if times else {_UNKNOWN_TIME: "unknown"})},
    )
    for role, scene in scenes.items():
        extra = _asset_fields(scene, encodings.get(role))
        item.add_asset(role, pystac.Asset(f"../scenes/{id}/{role}.tif", None, None, COG, [role], extra))
    for role in vectors:
        item.add_asset(role, pystac.Asset(f"../scenes/{id}/{role}.parquet", None, None, PARQUET, [role], {"bands": []}))
    found = {name.split(":")[0] for asset in item.assets.values() for name in _names(asset.extra_fields)}
    item.stac_extensions = sorted(uri for prefix, uri in _EXTENSIONS.items() if prefix in found)
    return item.to_dict(include_self_link=False, transform_hrefs=False)


def read_item(path: Path) -> tuple[str, str, dict[str, Path], dict[str, Any], dict[str, Path]]:
    """Id, place, rasters by role, the properties that were given to `item_of`, and vectors by role."""
    item = json.loads(path.read_text())  # our own: pystac would take ten times as long to migrate what is up to date
    # Not resolved: DVC may have put links to its cache here, and the cache knows no names.
    found = {role: Path(os.path.normpath(path.parent / asset["href"])) for role, asset in item["assets"].items()}
    vectors = {role: found.pop(role) for role, asset in item["assets"].items() if asset["type"] == PARQUET}
    own = {_PLACE, _UNKNOWN_TIME, "datetime", "start_datetime", "end_datetime"}
    kept = {name: value for name, value in item["properties"].items() if name not in own}
    return item["id"], str(item["properties"][_PLACE]), found, kept, vectors


def _asset_fields(scene: Scene, encoding: Encoding | None) -> dict[str, Any]:
    stored = encoding or Encoding(
        "uint8" if scene.array.dtype == np.bool_ else scene.array.dtype.name, 1, 0, scene.nodata
    )
    fields: dict[str, Any] = {
        "proj:code": _code(scene.grid),
        "proj:shape": list(scene.grid.shape),
        "proj:transform": list(scene.grid.transform)[:6],
        "proj:bbox": list(scene.grid.bounds),
        "data_type": stored.dtype,
        "unit": scene.unit,
        "raster:scale": stored.scale,
        "raster:offset": stored.offset,
        "bands": [_band(name) for name in scene.bands],
    }
    if scene.grid.crs is not None and fields["proj:code"] is None:
        fields["proj:wkt2"] = scene.grid.crs.to_wkt(version="WKT2_2019")
    if stored.nodata is not None:
        fields["nodata"] = "nan" if np.isnan(stored.nodata) else stored.nodata
    if scene.acquired is not None:
        fields["datetime"] = pystac.utils.datetime_to_str(_utc(scene.acquired))
    if scene.classes:
        fields["classification:classes"] = [
            {"value": each.code, "name": each.name, "color_hint": "{:02X}{:02X}{:02X}".format(*each.colour)}
            for each in scene.classes
        ]
    return fields


def _band(name: str) -> dict[str, str]:
    common = common_name(name)
    return {"name": name, "eo:common_name": common} if common else {"name": name}


def _names(fields: Mapping[str, Any]) -> set[str]:
    return {*fields, *(name for band in fields["bands"] for name in band)}


def _code(grid: Grid) -> str | None:
    authority = grid.crs.to_authority() if grid.crs else None
    return ":".join(authority) if authority else None


def _bounds_wgs84(grids: list[Grid]) -> tuple[float, float, float, float] | None:
    found = [transform_bounds(grid.crs, "EPSG:4326", *grid.bounds) for grid in grids if grid.crs is not None]
    if not found:
        return None
    west, south, east, north = zip(*found, strict=True)
    # A tenth of a millimetre: beyond that the digits are those of the transformation library, not of the place.
    return round(min(west), 9), round(min(south), 9), round(max(east), 9), round(max(north), 9)


def _footprint(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """The bounds as GeoJSON; in two parts where they cross the antimeridian (there west is more than east)."""
    if west <= east:
        return dict(mapping(box(west, south, east, north)))
    return dict(mapping(MultiPolygon([box(west, south, 180, north), box(-180, south, east, north)])))


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
