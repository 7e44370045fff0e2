"""The child that parses what came from outside: `python -m components.raster.decoder`, started by a `DecoderPool`.

It gets open descriptors over its standard input, which is a socket, and answers with a checked header and raw pixels.
It has no network where the kernel allows that, writes no file, and ends when the other side is gone.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from components.errors import BadScene, SwathError
from components.raster.acceptance import holds_all_bands
from components.raster.confinement import confine, grant_cpu
from components.raster.handles import handles
from components.raster.header import SceneInfo
from components.raster.io import scene_from
from components.raster.limits import OpenLimits
from components.raster.opening import inspected, without_infinity
from components.raster.parts import LAUNDER_BYTES, OPEN_BYTES, Layout, Part, parts
from components.raster.portable import info_as_json
from components.raster.scene import Array
from components.raster.wire import Closed, Message, Wire

CACHE_BYTES = 96 * 1024**2  # GDAL's, more than the largest block that is accepted
TILE_PX = 512
# What hostile bytes make our own code and rasterio raise; everything else ends this process, for that file only.
_DAMAGE = (SwathError, RasterioError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)


def main() -> int:
    """Answers requests until the other side is gone."""
    end = socket.socket(fileno=os.dup(0))
    wire = Wire(end)
    first = wire.receive()
    CRS.from_epsg(4326).to_wkt()  # opens the database of PROJ, so that the first file need not
    handles()
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        cut_off = confine(first["memory_bytes"], first["open_files"], first["parent"])
        wire.send({"ready": True, "network": not cut_off})
        limits = OpenLimits(**{**first["limits"], "formats": tuple(first["limits"]["formats"])})
        try:
            while True:
                _answer(wire, limits, first["cpu_s"])
        except (Closed, BrokenPipeError, ConnectionResetError):
            return 0


def layout_of(info: SceneInfo, together: bool, decode: bool) -> Layout:
    """How the pixels of a file lie as they are sent: float32 where they are decoded."""
    item = np.dtype(sent_dtype(info, decode)).itemsize
    return Layout(info.grid.shape, info.block_shape, len(info.bands), item, together)


def sent_dtype(info: SceneInfo, decode: bool) -> str:
    """The type of the numbers that are sent."""
    return "float32" if decode and info.unit != "class" else info.dtype


def plan(info: SceneInfo, together: bool, decode: bool) -> list[Part]:
    """The parts that are sent, in their order; both sides make it for themselves."""
    layout = layout_of(info, together, decode)
    return list(parts(layout, OPEN_BYTES) if decode else parts(layout, LAUNDER_BYTES, TILE_PX))


def _answer(wire: Wire, limits: OpenLimits, cpu_s: int) -> None:
    request, descriptor = wire.receive_with_descriptor()
    try:
        grant_cpu(cpu_s)
        with inspected(descriptor, limits, request["name"]) as (dataset, info):
            together = holds_all_bands(dataset)
            wire.send({"info": info_as_json(info), "together": together})
            if request["pixels"]:
                _send_pixels(wire, dataset, info, plan(info, together, request["decode"]), request, cpu_s)
    except (Closed, BrokenPipeError, ConnectionResetError):
        raise
    except BadScene as error:
        wire.send({"refused": [error.reason, error.remedy]})
    except MemoryError:
        wire.send({"memory": True})
    except _DAMAGE:
        wire.send({"refused": ["the file is truncated or damaged", "send it again"]})
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _send_pixels(
    wire: Wire,
    dataset: Any,  # noqa: ANN401 - rasterio ships no types
    info: SceneInfo,
    planned: list[Part],
    request: Message,
    cpu_s: int,
) -> None:
    for part in planned:
        indexes = None if part.last - part.first == len(info.bands) else list(range(part.first, part.last))
        array = scene_from(dataset, info, indexes, part.window, request["decode"]).array
        without_infinity(array)
        _send_part(wire, array)
        if not request["decode"]:
            grant_cpu(cpu_s)
    if info.masked and not request["decode"]:
        for part in plan_of_mask(info):
            window = part.window
            mask = dataset.dataset_mask(window=RasterioWindow(window.col, window.row, window.cols, window.rows))
            _send_part(wire, mask.astype(np.uint8))


def plan_of_mask(info: SceneInfo) -> list[Part]:
    """The parts of the mask, one byte a pixel, that follow those of the stored numbers."""
    return list(parts(Layout(info.grid.shape, info.block_shape, 1, 1, True), LAUNDER_BYTES, TILE_PX))


def _send_part(wire: Wire, array: Array) -> None:
    wire.send({"bytes": array.nbytes})
    wire.send_pixels(np.ascontiguousarray(array))


if __name__ == "__main__":
    sys.exit(main())
