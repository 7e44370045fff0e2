"""Pictures published as Windows bitmaps: numbers without a place on the ground."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from components.errors import BadScene
from components.raster.grid import Grid
from components.raster.limits import OpenLimits
from components.raster.scene import Scene

SUFFIX = ".bmp"
COLOURS = ("B04", "B03", "B02")


def read_bitmap(path: Path, limits: OpenLimits) -> Scene:
    """The channels as bands, three of them as red, green and blue, on a pixel grid.

    Raises:
        BadScene: if the file is no bitmap, or larger than ``limits`` allow.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, driver="BMP", sharing=False) as file:
                size = 8 * file.count * file.height * file.width
                if size > limits.decoded_bytes:
                    reason = f"{size} bytes once decoded, at most {limits.decoded_bytes} are accepted"
                    raise BadScene(path, reason, limits.remedy("decoded_bytes"))
                layers = np.asarray(file.read())
    except RasterioIOError as error:
        raise BadScene(path, "is no bitmap, or damaged", "fetch it again") from error
    names = COLOURS if len(layers) == len(COLOURS) else tuple(f"band{number + 1}" for number in range(len(layers)))
    return Scene(layers, Grid(None, Affine.identity(), layers.shape[1:]), names, "digital_number")
