"""Features become a class map on the grid of an image, with what was mended and how old they are beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from rasterio.crs import CRS

from components.errors import BadScene
from components.ingestion.ages import age
from components.ingestion.roles import NODATA_CODE, LabelDeclaration, VectorDeclaration
from components.ingestion.vector_files import Layers
from components.raster.grid import Grid
from components.raster.scene import Features, Scene
from components.raster.vectors import rasterise

__all__ = ["Drawn", "Layers", "draw_label"]
ANY = "*"
EDGE_PX = 20  # edges are bent with the projection at least this often


@dataclass(frozen=True)
class Drawn:
    """A label made of features: the class map, the features on its CRS, and what the item of the scene keeps."""

    scene: Scene
    features: Features
    facts: Mapping[str, Any]


def draw_label(path: Path, label: LabelDeclaration, images: Sequence[Scene], layers: Layers) -> Drawn:
    """The features around the first of the images as class codes on its grid, and the days to the last of them.

    A pixel has the code of the last feature, in the order of `codes`, that covers its centre.

    Raises:
        BadScene: names the file and why it cannot be drawn: no CRS, no such column, a class that is not declared.
    """
    vectors, image = label.vectors, images[0]
    assert vectors is not None, "a label that is drawn"
    if image.grid.crs is None:
        raise BadScene(path, "its image has no CRS, so features have no place on it", "give the image its CRS")
    if vectors.buffer_m and image.grid.crs.is_geographic:
        raise BadScene(path, "buffer_m on a grid in degrees", "warp the images to a projection in metres")
    found = layers.around(path, vectors.layer, image.grid, vectors.crs)
    kept, counts = _usable(found, _codes(found, vectors, path), vectors, path)
    placed = _placed(kept, image.grid, vectors, path)
    table = {"code": np.asarray(placed["code"], np.int64)}
    features = Features(tuple(placed.geometry), image.grid.crs, table)
    codes = rasterise(features, image.grid, "code", background=vectors.background, all_touched=vectors.all_touched)
    scene = Scene(
        codes.array.astype(np.uint8), image.grid, ("class",), "class", NODATA_CODE, classes=label.as_classes()
    )
    facts = {"features": len(placed), **counts, "age": age(*_dates(kept, vectors, path), images)}
    return Drawn(scene, features, facts)


def _codes(found: geopandas.GeoDataFrame, vectors: VectorDeclaration, path: Path) -> pd.Series[Any]:
    """The class code of each feature; missing where it has none of the declared values."""
    if vectors.column is None:
        return pd.Series(vectors.codes.get(ANY), index=found.index, dtype="Int64")
    column = _column(found, vectors.column, path)
    texts = column.map(_text, na_action="ignore")
    codes = texts.map(dict(vectors.codes)).astype("Int64")
    return codes.fillna(vectors.codes[ANY]) if ANY in vectors.codes else codes


def _text(value: object) -> str:
    """1 and 1.0 are one class: columns with gaps come as floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _column(found: geopandas.GeoDataFrame, name: str, path: Path) -> pd.Series[Any]:
    if name not in found.columns:
        known = ", ".join(sorted(str(each) for each in found.columns if each != "geometry"))
        raise BadScene(path, f"has no column {name}; it has {known or 'none'}", "mend label.vectors in dataset.yaml")
    column: pd.Series[Any] = found[name]
    return column


def _usable(
    found: geopandas.GeoDataFrame, codes: pd.Series[Any], vectors: VectorDeclaration, path: Path
) -> tuple[geopandas.GeoDataFrame, dict[str, int]]:
    """Features of a declared class with a sound geometry, in the order in which they are burnt; what was left out."""
    shapes = shapely.force_2d(np.asarray(found.geometry))
    is_empty = np.array([each is None or each.is_empty for each in shapes], dtype=np.bool_)
    is_foreign = np.asarray(codes.isna(), dtype=np.bool_)
    is_broken = ~is_empty & ~is_foreign & ~shapely.is_valid(shapes)
    if is_broken.any() and not vectors.repair:
        rows = ", ".join(map(str, np.flatnonzero(is_broken)[:5]))
        raise BadScene(path, f"{is_broken.sum()} invalid geometries (rows {rows})", "mend them, or set repair: true")
    shapes = np.where(is_broken, shapely.make_valid(shapes), shapes)
    kept = found.set_geometry(geopandas.GeoSeries(shapes, index=found.index, crs=found.crs)).assign(code=codes)
    kept = kept[~is_empty & ~is_foreign]
    rank = {code: place for place, code in enumerate(vectors.codes.values())}
    ordered = kept.iloc[np.argsort([rank[int(code)] for code in kept["code"]], kind="stable")]
    counts = {"repaired": int(is_broken.sum()), "empty": int(is_empty.sum()), "other classes": int(is_foreign.sum())}
    return ordered, counts


def _placed(kept: geopandas.GeoDataFrame, grid: Grid, vectors: VectorDeclaration, path: Path) -> geopandas.GeoDataFrame:
    """The features on the CRS of the grid, their edges bent with it, lines and points as wide as declared."""
    if kept.empty:
        return kept
    target = grid.crs.to_wkt(version="WKT2_2019") if grid.crs else None
    if CRS.from_user_input(kept.crs) != grid.crs:
        west, south, east, north = shapely.total_bounds(np.asarray(kept.geometry))
        length = max(east - west, north - south) / max(grid.shape) * EDGE_PX
        if length > 0:
            kept = kept.set_geometry(kept.geometry.segmentize(length))
    placed = kept.to_crs(target)
    if not np.isfinite(placed.total_bounds).all():
        raise BadScene(path, f"features that have no place in {grid.crs}", "look at the CRS of both")
    if not vectors.buffer_m or grid.crs is None:
        return placed
    return placed.set_geometry(placed.geometry.buffer(vectors.buffer_m / grid.crs.linear_units_factor[1]))


def _dates(kept: geopandas.GeoDataFrame, vectors: VectorDeclaration, path: Path) -> tuple[date | None, date | None]:
    if vectors.date_column is None or kept.empty:
        return vectors.date, vectors.date
    times = pd.to_datetime(_column(kept, vectors.date_column, path), errors="coerce", utc=True, format="mixed").dropna()
    if times.empty:
        return vectors.date, vectors.date
    return times.min().date(), times.max().date()
