"""An output of a method as bytes: COG, GeoJSON or a PNG to look at, named after the version that made it."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from components.deployment.loading import LoadedVersion
from components.raster.bands import canonical
from components.raster.cog import write_scene
from components.raster.scene import Array, Features, Scene
from components.raster.vectors import polygonise, to_geojson
from components.tasks.seam import OutputSpec
from serving.errors import WrongForm
from serving.schemas import Format

RUN_TAG, VERSION_TAG, OUTPUT_TAG = "SWATH_RUN", "SWATH_VERSION", "SWATH_OUTPUT"
REQUEST_TAG = "SWATH_REQUEST"  # only where the caller named the request: the same request gives the same bytes
BACKGROUND = 0  # the class code that says "nothing here" is no polygon
RGB = tuple(canonical(name) for name in ("red", "green", "blue"))
SHADES = (2.0, 98.0)  # percentiles that a grey picture is stretched between


def encode(
    output: Scene | Features, spec: OutputSpec, kind: Format, version: LoadedVersion, request: str = ""
) -> bytes:
    """The bytes of an answer; the same output gives the same bytes. ``request`` is the caller's name for it.

    Raises:
        WrongForm: if the output cannot have that format.
        BadScene: if GeoJSON is asked of a scene without CRS.
    """
    if kind == "geojson":
        return _geojson(output, spec)
    if isinstance(output, Features):
        raise WrongForm(f"output {spec.name} is features; ask for format geojson")
    if kind == "png":
        return as_png(output)
    tags = {RUN_TAG: version.run, VERSION_TAG: version.id, OUTPUT_TAG: spec.name}
    return _cog(output, spec, tags | ({REQUEST_TAG: request} if request else {}))


def _cog(scene: Scene, spec: OutputSpec, own: Mapping[str, str]) -> bytes:
    tags = {**scene.tags, **own}
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        path = Path(folder) / "answer.tif"
        write_scene(replace(scene, tags=tags, classes=scene.classes or spec.classes), path)
        return path.read_bytes()


def _geojson(output: Scene | Features, spec: OutputSpec) -> bytes:
    if isinstance(output, Scene) and output.unit != "class":
        raise WrongForm(f"output {spec.name} is a raster of unit {output.unit}; ask for format cog or png")
    features = output if isinstance(output, Features) else polygonise(output, skip=(BACKGROUND,))
    return json.dumps(to_geojson(features), separators=(",", ":")).encode()


def as_png(scene: Scene) -> bytes:
    """Red, green, blue and opacity: class colours, a composite as it is, or grey between two percentiles.

    Nodata is transparent.
    """
    picture = np.zeros((4, *scene.grid.shape), np.uint8)
    picture[:3] = _shown(scene)
    picture[3] = np.where(scene.valid, 255, 0)
    rows, cols = scene.grid.shape
    profile = {"driver": "PNG", "height": rows, "width": cols, "count": 4, "dtype": "uint8"}
    with MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture has no place on the ground
        with memory.open(**profile) as dataset:
            dataset.write(picture)
        return bytes(memory.read())


def _shown(scene: Scene) -> NDArray[np.uint8]:
    if tuple(canonical(name) for name in scene.bands) == RGB and scene.unit == "digital_number":
        picture: NDArray[np.uint8] = np.clip(np.nan_to_num(scene.array), 0, 255).astype(np.uint8)
        return picture
    return _colours(scene) if scene.classes else _grey(scene)


def _colours(scene: Scene) -> NDArray[np.uint8]:
    table = np.zeros((256, 3), np.uint8)
    for each in scene.classes:
        table[each.code] = each.colour
    codes: Array = scene.array[0].astype(np.uint8)
    return np.moveaxis(table[codes], -1, 0)


def _grey(scene: Scene) -> NDArray[np.uint8]:
    seen = scene.array[0][scene.valid]
    low, high = np.percentile(seen, SHADES) if seen.size else (0.0, 1.0)
    shades = np.nan_to_num((scene.array[0] - low) / max(high - low, 1e-9))
    grey: NDArray[np.uint8] = (np.clip(shades, 0.0, 1.0) * 255).astype(np.uint8)
    return grey
