"""The golden request: a tiny made input and the answer it had when the version was made.

Every machine that loads the version must give that answer again, before anybody else's request is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from shapely.geometry import box

from components.errors import VersionCorrupt
from components.inference.method import Method
from components.inference.tiled import predict
from components.raster.grid import Grid
from components.raster.scene import Features, Scene, Stack, Value
from components.tasks.chips import Chip, Prepared, pack
from components.tasks.seam import InputSpec, Spec

FOLDER = "golden"
SHAPE = (48, 56)  # rows and columns differ, so that swapped axes show
DATES = 12  # of a series: fewer would not be enough for every method
PIXEL_M = 10.0
CORNER = (slice(0, 4), slice(0, 5))  # without data: nodata in, nodata out
ROUNDING, ROUNDING_16_BIT = 1e-3, 1e-2  # other processors sum in another order; a GPU computes in 16 bits
EQUAL_CODES = 0.99  # a class may flip where two are equally likely
RANGES = {
    "reflectance": (0.02, 0.5),
    "digital_number": (0.0, 255.0),
    "amplitude": (0.05, 1.0),
    "intensity": (0.01, 0.5),
    "db": (-25.0, 0.0),
    "class": (0.0, 3.0),
    "probability": (0.0, 1.0),
    "px": (-2.0, 2.0),
    "m": (0.0, 30.0),
    "1": (-1.0, 1.0),
}


def golden_inputs(spec: Spec, seed: int = 0) -> Mapping[str, Value]:
    """Made inputs that fit a spec: right bands, units and pixel size, smooth fields with noise, an empty corner."""
    rng = np.random.default_rng(seed)
    return {each.name: _value(each, rng) for each in spec.inputs}


def write_golden(spec: Spec, method: Method, folder: Path) -> None:
    """The golden request and its answer, below ``folder``; the same method gives the same bytes."""
    inputs = golden_inputs(spec)
    window = Grid(None, Affine.identity(), SHAPE).window
    chip = Chip(FOLDER, FOLDER, FOLDER, window, inputs, predict(method, inputs))
    pack(iter([chip]), folder / FOLDER)


def check_golden(version: str, method: Method, folder: Path) -> None:
    """Nothing where the method answers the golden request in ``folder`` as it did when the version was made.

    Raises:
        VersionCorrupt: says how far the answer is off.
    """
    chip = Prepared(folder / FOLDER).chip(FOLDER)
    answer = predict(method, chip.inputs)
    if set(answer) != set(chip.targets):
        raise VersionCorrupt(version, f"golden request: outputs {sorted(answer)}, expected {sorted(chip.targets)}")
    for name, expected in chip.targets.items():
        problem = _difference(expected, answer[name])
        if problem:
            raise VersionCorrupt(version, f"golden request: {name} {problem}")


def _difference(expected: Value, found: Value) -> str:
    """What is wrong with ``found``; empty where nothing is."""
    if isinstance(expected, Features) and isinstance(found, Features):
        if len(expected.geometries) != len(found.geometries):
            return f"has {len(found.geometries)} features, expected {len(expected.geometries)}"
        return _off(_bounds(expected), _bounds(found))
    if not isinstance(expected, Scene) or not isinstance(found, Scene):
        return f"is a {type(found).__name__}, expected a {type(expected).__name__}"
    if (found.bands, found.unit, found.array.shape) != (expected.bands, expected.unit, expected.array.shape):
        return f"is {found.bands} {found.unit} {found.array.shape}, expected {expected.bands} {expected.unit}"
    if expected.unit == "class":
        share = float((expected.array == found.array).mean())
        return "" if share >= EQUAL_CODES else f"has only {share:.1%} of the expected codes"
    return _off(expected.array, found.array)


def _off(expected: NDArray[np.float64], found: NDArray[np.float64]) -> str:
    allowed = ROUNDING_16_BIT if torch.cuda.is_available() else ROUNDING
    if np.allclose(expected, found, rtol=allowed, atol=allowed, equal_nan=True):
        return ""
    return f"is off by up to {np.nanmax(np.abs(expected - found)):.3g}, or empty at other pixels"


def _bounds(features: Features) -> NDArray[np.float64]:
    return np.array([each.bounds for each in features.geometries], np.float64)


def _value(spec: InputSpec, rng: np.random.Generator) -> Value:
    grid = _grid(spec)
    if spec.kind == "features":
        west, _, _, north = grid.bounds
        size = grid.transform.a
        squares = tuple(
            box(west + 8 * i * size, north - 20 * size, west + (8 * i + 5) * size, north - 15 * size) for i in range(3)
        )
        return Features(squares, grid.crs, {band: _field(spec, rng, (3,)) for band in spec.bands})
    if spec.kind == "scene":
        return Scene(_pixels(spec, rng), grid, spec.bands, spec.unit, float("nan"))
    array = np.stack([_pixels(spec, rng) for _ in range(DATES)])
    dates = tuple(datetime(2024, 6, 1, tzinfo=UTC) + timedelta(days=12 * i) for i in range(DATES))
    return Stack(array, grid, spec.bands, spec.unit, dates, float("nan"))


def _grid(spec: InputSpec) -> Grid:
    smallest, largest = spec.pixel_size_m or (PIXEL_M, PIXEL_M)
    size = PIXEL_M if smallest <= PIXEL_M <= largest else sqrt(smallest * largest)
    return Grid(CRS.from_epsg(32631), Affine(size, 0, 500_000, 0, -size, 4_900_000), SHAPE)


def _pixels(spec: InputSpec, rng: np.random.Generator) -> NDArray[np.float32]:
    bands = np.stack([_field(spec, rng, SHAPE) for _ in spec.bands])
    bands[(slice(None), *CORNER)] = np.nan
    return bands


def _field(spec: InputSpec, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values in the range of the unit: patches of 8 pixels with noise, whole numbers for class codes."""
    low, high = RANGES[spec.unit]
    patches = rng.random([-(-length // 8) for length in shape])
    for axis, length in enumerate(shape):
        patches = np.repeat(patches, 8, axis).take(range(length), axis)
    values = low + (high - low) * (0.9 * patches + 0.1 * rng.random(shape))
    return (np.round(values) if spec.unit == "class" else values).astype(np.float32)
