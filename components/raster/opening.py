"""Files from strangers: every promise of the header is checked before the first pixel is decoded.

Accepted: GeoTIFF with or without CRS, NaN pixels, infinite pixels (they become NaN).
Refused: everything that is not a TIFF by its first bytes (a VRT named .tif, inline XML, archives), complex numbers,
rotated and south-up grids, ground control points without a grid, grids across the antimeridian or beyond a pole,
sizes beyond the limits, bombs, damage.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from components.errors import BadScene
from components.raster.grid import Grid
from components.raster.handles import driver_of, open_file
from components.raster.header import SceneInfo, header_of
from components.raster.io import scene_from
from components.raster.scene import Scene

_TYPES = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"})
_CODECS = frozenset({"", "deflate", "lzw", "packbits", "zstd", "lzma", "jpeg"})
_REMEDY = "convert it with gdal_translate"


@dataclass(frozen=True)
class OpenLimits:
    """What an uploaded file may ask for. Defaults fit ten bands of 5000 x 5000 pixels.

    ``decoded_bytes`` counts the pixels as they come to lie in memory: four bytes at least, for values are float32.
    """

    file_bytes: int = 512 * 1024**2
    decoded_bytes: int = 1024**3
    pixels: int = 8192 * 8192
    edge_px: int = 32768
    bands: int = 64
    block_bytes: int = 64 * 1024**2
    blocks: int = 200_000
    # Deflate reaches 1032 to 1; what decodes to less than `free_bytes` may be as empty as it likes.
    ratio: float = 1100.0
    free_bytes: int = 16 * 1024**2


def open_untrusted(source: Path | bytes, limits: OpenLimits | None = None, *, name: str = "upload") -> Scene:
    """The scene in uploaded bytes (or a file of them that the caller owns), decoded as `read_scene` does.

    The bytes are parsed from a private file without siblings by the TIFF driver only. ``name`` stands in messages
    and is never used as a path.

    Raises:
        BadScene: with one sentence on what is wrong and what to do.
    """
    limits = limits or OpenLimits()
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        private = Path(folder) / "upload.tif"
        _copy(source, private, limits, name)
        try:
            with rasterio.Env(GDAL_GEOREF_SOURCES="INTERNAL", GDAL_NUM_THREADS="1"), open_file(private) as dataset:
                return _read_checked(dataset, private.stat().st_size, limits, name)
        except (BadScene, RasterioError) as error:
            reason = error.reason if isinstance(error, BadScene) else "the TIFF is truncated or damaged"
            remedy = error.remedy if isinstance(error, BadScene) else "send it again"
            raise BadScene(name, reason, remedy) from error


def _copy(source: Path | bytes, private: Path, limits: OpenLimits, name: str) -> None:
    if isinstance(source, Path):
        if source.is_symlink() or not source.is_file():
            raise BadScene(name, "not a regular file", "send the bytes of a GeoTIFF")
        with source.open("rb") as file:
            size, head = source.stat().st_size, file.read(8)
    else:
        size, head = len(source), source[:8]
    if size == 0:
        raise BadScene(name, "the file is empty", "send the bytes of a GeoTIFF")
    if driver_of(head) != "GTiff":
        raise BadScene(name, "the first bytes are not those of a TIFF", "send a GeoTIFF")
    if size > limits.file_bytes:
        raise BadScene(name, f"{size} bytes, at most {limits.file_bytes} are accepted", "send a smaller window")
    if isinstance(source, Path):
        shutil.copyfile(source, private)
    else:
        private.write_bytes(source)


def _read_checked(dataset: Any, size: int, limits: OpenLimits, name: str) -> Scene:  # noqa: ANN401
    _check_size(dataset, size, limits, name)
    _check_kind(dataset, name)
    info = header_of(dataset, name)
    _check_meaning(info, name)
    scene = scene_from(dataset, info, None, None, True)
    if np.issubdtype(scene.array.dtype, np.inexact):
        scene.array[np.isinf(scene.array)] = np.nan  # our own fresh array
    return scene


def _check_size(dataset: Any, size: int, limits: OpenLimits, name: str) -> None:  # noqa: ANN401
    rows, cols, count = dataset.height, dataset.width, dataset.count
    item = max((np.dtype(t).itemsize for t in dataset.dtypes if t in _TYPES), default=16)
    decoded, memory = rows * cols * count * item, rows * cols * count * max(item, 4)
    block_rows, block_cols = dataset.block_shapes[0] if count else (rows, cols)
    block = block_rows * block_cols * item * (count if dataset.profile.get("interleave") == "pixel" else 1)
    blocks = -(-rows // block_rows) * -(-cols // block_cols) * count
    asked = (
        ("bands", count, limits.bands),
        ("pixels along an edge", max(rows, cols), limits.edge_px),
        ("pixels", rows * cols, limits.pixels),
        ("bytes once decoded", memory, limits.decoded_bytes),
        ("bytes in one block", block, limits.block_bytes),
        ("blocks", blocks, limits.blocks),
    )
    for what, found, limit in asked:
        if found > limit:
            raise BadScene(name, f"{found} {what}, at most {limit} are accepted", "send a smaller window")
    if count == 0:
        raise BadScene(name, "no bands", "send a GeoTIFF with pixels")
    if max(decoded, block) > max(limits.free_bytes, limits.ratio * size):
        raise BadScene(name, f"{size} bytes that decode to {max(decoded, block)}", "send a file that is not a bomb")


def _check_kind(dataset: Any, name: str) -> None:  # noqa: ANN401
    strange = sorted(set(dataset.dtypes) - _TYPES)
    if strange:
        raise BadScene(name, f"numbers of type {', '.join(strange)}", "send integers or real numbers")
    codec = str(dataset.profile.get("compress", "")).lower()
    if codec not in _CODECS:
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


def _check_place(grid: Grid, name: str) -> None:
    if grid.crs is None or not grid.crs.is_geographic:
        return
    west, south, east, north = grid.bounds
    slack = abs(grid.transform.a)  # global products overhang by up to a pixel
    if west < -180 - slack or east > 180 + slack:
        raise BadScene(name, "the grid crosses the antimeridian", "cut it at 180 degrees and send two files")
    if south < -90 - slack or north > 90 + slack:
        raise BadScene(name, "the grid lies beyond a pole", "mend the georeference")
