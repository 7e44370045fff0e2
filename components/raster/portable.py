"""The header of a file as JSON values and back: how it leaves the process that parsed it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from affine import Affine
from rasterio.crs import CRS

from components.raster.grid import Grid
from components.raster.header import SceneInfo, classes_as_text, classes_from_text
from components.raster.scene import UNITS


def info_as_json(info: SceneInfo) -> dict[str, Any]:
    """The header of a file as JSON values."""
    return {
        "crs": info.grid.crs.to_wkt() if info.grid.crs else None,
        "transform": list(info.grid.transform)[:6],
        "shape": list(info.grid.shape),
        "bands": list(info.bands),
        "unit": info.unit,
        "dtype": info.dtype,
        "nodata": info.nodata,
        "acquired": info.acquired.isoformat() if info.acquired else None,
        "classes": classes_as_text(info.classes),
        "tags": dict(info.tags),
        "block_shape": list(info.block_shape),
        "tiled": info.tiled,
        "scales": list(info.scales),
        "offsets": list(info.offsets),
        "masked": info.masked,
    }


def info_from_json(said: dict[str, Any]) -> SceneInfo:
    """The header that `info_as_json` wrote; its types are checked, for the writer may have been taken over.

    Raises:
        ValueError, KeyError, TypeError, SwathError: if it is anything else.
    """
    rows, cols = (int(edge) for edge in said["shape"])
    block_rows, block_cols = (int(edge) for edge in said["block_shape"])
    if said["unit"] not in UNITS or min(rows, cols, block_rows, block_cols) < 1:
        raise ValueError("a header that cannot be")
    return SceneInfo(
        grid=Grid(
            CRS.from_wkt(str(said["crs"])) if said["crs"] else None,
            Affine(*(float(number) for number in said["transform"])),
            (rows, cols),
        ),
        bands=tuple(str(name) for name in said["bands"]),
        unit=said["unit"],
        dtype=str(said["dtype"]),
        nodata=None if said["nodata"] is None else float(said["nodata"]),
        acquired=datetime.fromisoformat(said["acquired"]) if said["acquired"] else None,
        classes=classes_from_text(said["classes"], "header"),
        tags={str(name): str(text) for name, text in said["tags"].items()},
        block_shape=(block_rows, block_cols),
        tiled=bool(said["tiled"]),
        scales=tuple(float(number) for number in said["scales"]),
        offsets=tuple(float(number) for number in said["offsets"]),
        masked=bool(said["masked"]),
    )
