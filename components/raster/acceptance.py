"""What the header of a file from outside may promise: checked before the first pixel is decoded.

Accepted: GeoTIFF with or without CRS, NaN pixels, infinite pixels (they become NaN).
Refused: complex numbers, rotated and south-up grids, ground control points without a grid, grids across the
antimeridian or beyond a pole, sizes beyond the limits, bombs, damage. Each refusal of a size names what was found,
the limit and its setting.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from components.errors import BadScene
from components.raster.directory import too_many_bands
from components.raster.grid import Grid
from components.raster.header import SceneInfo, header_of
from components.raster.limits import OpenLimits

TYPES = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"})
_CODECS = frozenset({"", "deflate", "lzw", "packbits", "zstd", "lzma", "jpeg"})


def require_acceptable(dataset: Any, size: int, limits: OpenLimits, name: str) -> SceneInfo:  # noqa: ANN401
    """The header of an open dataset of ``size`` bytes, once everything it promises was found acceptable.

    Raises:
        BadScene: names what was found, the limit and the setting that raises it.
    """
    _check_bands(dataset, limits, name)
    _check_size(dataset, size, limits, name)
    _check_kind(dataset, name)
    info = header_of(dataset, name)
    _check_meaning(info, name)
    _check_metadata(info, limits, name)
    return info


def _check_bands(dataset: Any, limits: OpenLimits, name: str) -> None:  # noqa: ANN401
    """First of all: everything else takes its time for each band."""
    if dataset.count == 0:
        raise BadScene(name, "no bands", "send a GeoTIFF with pixels")
    if dataset.count > limits.bands:
        raise too_many_bands(dataset.count, limits, name)


def _check_size(dataset: Any, size: int, limits: OpenLimits, name: str) -> None:  # noqa: ANN401
    rows, cols, count = dataset.height, dataset.width, dataset.count
    item = max((np.dtype(t).itemsize for t in dataset.dtypes if t in TYPES), default=16)
    decoded, memory = rows * cols * count * item, rows * cols * count * max(item, 4)
    block_rows, block_cols = dataset.block_shapes[0]
    block = block_rows * block_cols * item * (count if holds_all_bands(dataset) else 1)
    blocks = -(-rows // block_rows) * -(-cols // block_cols) * count
    asked = (
        ("edge_px", "pixels along an edge", max(rows, cols)),
        ("pixels", "pixels", rows * cols),
        ("decoded_bytes", "bytes once decoded", memory),
        ("block_bytes", "bytes in one block", block),
        ("blocks", "blocks", blocks),
    )
    for limit, what, found in asked:
        most = getattr(limits, limit)
        if found > most:
            raise BadScene(name, f"{found} {what}, at most {most} are accepted", limits.remedy(limit))
    if max(decoded, block) > max(limits.free_bytes, limits.ratio * size):
        reason = f"{size} bytes that decode to {max(decoded, block)}, at most {limits.ratio:g} times are accepted"
        raise BadScene(name, reason, limits.remedy("ratio", "send a file that is not a bomb"))


def holds_all_bands(dataset: Any) -> bool:  # noqa: ANN401
    """True where one block of the file holds all bands."""
    return bool(dataset.profile.get("interleave") == "pixel")


def _check_kind(dataset: Any, name: str) -> None:  # noqa: ANN401
    strange = sorted(set(dataset.dtypes) - TYPES)
    if strange:
        raise BadScene(name, f"numbers of type {', '.join(strange)}", "send integers or real numbers")
    codec = str(dataset.profile.get("compress", "")).lower()
    if dataset.driver == "GTiff" and codec not in _CODECS:
        raise BadScene(name, f"compression {codec} is not accepted", "use deflate, lzw or zstd")
    if dataset.subdatasets:
        raise BadScene(name, "several pictures in one file", "send one GeoTIFF a scene")
    if dataset.gcps[0] and dataset.crs is None:
        raise BadScene(name, "ground control points but no grid", "warp it with gdalwarp first")


def _check_meaning(info: SceneInfo, name: str) -> None:
    if not all(isfinite(number) for number in (*info.scales, *info.offsets)) or 0.0 in info.scales:
        raise BadScene(name, "a scale or offset that is no number", "mend the metadata")
    t = info.grid.transform
    if not all(isfinite(number) for number in tuple(t)[:6]) or t.determinant == 0:
        raise BadScene(name, "a transform that places all pixels on one line", "mend the georeference")
    if (t.b, t.d) != (0.0, 0.0):
        raise BadScene(name, "a rotated grid", "warp it north-up with gdalwarp")
    if info.grid.crs is None:
        return
    if t.a < 0 or t.e > 0:
        raise BadScene(name, "a grid that is not north-up", "warp it north-up with gdalwarp")
    _check_place(info.grid, name)


def _check_metadata(info: SceneInfo, limits: OpenLimits, name: str) -> None:
    texts = (*info.bands, *info.tags.keys(), *info.tags.values(), *(each.name for each in info.classes))
    found = sum(len(text.encode()) for text in texts) + (len(info.grid.crs.to_wkt()) if info.grid.crs else 0)
    if found > limits.metadata_bytes:
        reason = f"{found} bytes of names and tags, at most {limits.metadata_bytes} are accepted"
        raise BadScene(name, reason, limits.remedy("metadata_bytes", "remove tags"))


def _check_place(grid: Grid, name: str) -> None:
    if grid.crs is None or not grid.crs.is_geographic:
        return
    west, south, east, north = grid.bounds
    slack = abs(grid.transform.a)  # global products overhang by up to a pixel
    if west < -180 - slack or east > 180 + slack:
        raise BadScene(name, "the grid crosses the antimeridian", "cut it at 180 degrees and send two files")
    if south < -90 - slack or north > 90 + slack:
        raise BadScene(name, "the grid lies beyond a pole", "mend the georeference")
