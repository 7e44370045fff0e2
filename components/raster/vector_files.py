"""Features as files of our own: GeoParquet, the same bytes for the same features."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
from rasterio.crs import CRS

from components.errors import BadScene
from components.raster.atomic import atomic
from components.raster.scene import Features

VECTORS = ".parquet"


def write_features(features: Features, path: Path) -> None:
    """The features as GeoParquet; on a pixel grid (no CRS) x is the column and y the row, from the corner.

    Raises:
        OSError: if the file cannot be written; ``path`` is then as it was.
    """
    crs = features.crs.to_wkt(version="WKT2_2019") if features.crs else None
    table = geopandas.GeoDataFrame(dict(features.table), geometry=list(features.geometries), crs=crs)
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_features(path: Path) -> Features:
    """The features of a file of ours.

    Raises:
        BadScene: if it is none.
    """
    try:
        table = geopandas.read_parquet(path)
    except (OSError, ValueError) as error:
        raise BadScene(path, f"is no GeoParquet file ({error})", "restore it or ingest anew") from error
    crs = CRS.from_wkt(table.crs.to_wkt()) if table.crs is not None else None
    columns = {name: np.asarray(table[name]) for name in table.columns if name != table.geometry.name}
    return Features(tuple(table.geometry), crs, columns)
