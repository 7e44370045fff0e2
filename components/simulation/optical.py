"""Sentinel-2-like pairs of a sandbox territory, with the exact map of what changed between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from components.raster.grid import Grid
from components.raster.scene import Class, Scene
from components.simulation.changes import changed
from components.simulation.noise import Float, stream
from components.simulation.sensor import observe
from components.simulation.spectra import BANDS
from components.simulation.sunlight import lit, sun
from components.simulation.surface import reflectance
from components.simulation.terrain import slope
from components.simulation.territory import PIXEL_SIZE_M, Territory, territory
from components.simulation.visits import Nuisance, Visit, visits

__all__ = ["CHANGE_CLASSES", "Nuisance", "OpticalPair", "optical_pair", "place"]

CHANGE_CLASSES = (
    Class(0, "unchanged", (40, 40, 40)),
    Class(1, "building", (228, 26, 28)),
    Class(2, "road", (255, 217, 47)),
    Class(3, "clear-cut", (77, 175, 74)),
    Class(4, "burned", (152, 78, 163)),
)
MASK_NODATA = 255
CRS_OF_PLACES = CRS.from_epsg(32631)
# Places lie on a lattice within UTM zone 31N between about 40 and 54 degrees north, far enough apart for
# scenes of 1900 px; 1013 is coprime to the number of places and scatters neighbouring seeds.
WEST_M, SOUTH_M, PITCH_M, COLUMNS, ROWS, SCATTER = 180_000.0, 4_430_000.0, 20_000.0, 32, 80, 1013


@dataclass(frozen=True)
class OpticalPair:
    """Two scenes of unit `reflectance` and the `class` scene of what changed, on one grid.

    ``shift_px`` (down, right) is the misregistration of ``after``, known because it was made.
    """

    before: Scene
    after: Scene
    change: Scene
    shift_px: tuple[float, float]


def optical_pair(seed: int, shape: tuple[int, int] = (256, 256), *, nuisance: Nuisance | None = None) -> OpticalPair:
    """A pair of Sentinel-2-like scenes ``(10, row, col)`` a year apart, and its change map.

    Bands are `spectra.BANDS`, 10 m pixels in EPSG:32631, reflectance float32 in 1e-4..1.5; the change map
    is uint8 with `CHANGE_CLASSES`. One seed gives the same bytes; seeds that differ by less than 2560 lie
    on different ground.

    Raises:
        ValueError: if the seed is negative or a side is shorter than 64 px.
    """
    first, second = visits(seed, nuisance or Nuisance())
    land = territory(seed, shape)
    later = changed(land)
    grid = place(seed, shape)
    latitude = np.radians(grid.bounds[1] / 111_000)  # a metre of northing in degrees, good to 0.3
    scenes = [
        Scene(_look(one, visit, latitude), grid, BANDS, "reflectance", float("nan"), visit.acquired)
        for one, visit in ((land, first), (later.territory, second))
    ]
    change = Scene(later.kinds[None], grid, ("change",), "class", MASK_NODATA, second.acquired, classes=CHANGE_CLASSES)
    return OpticalPair(scenes[0], scenes[1], change, second.optics.shift_px)


def place(seed: int, shape: tuple[int, int]) -> Grid:
    """The grid of a seed's territory; places of different seeds do not touch."""
    row, col = divmod(seed * SCATTER % (ROWS * COLUMNS), COLUMNS)
    north = SOUTH_M + (row + 1) * PITCH_M
    return Grid(CRS_OF_PLACES, Affine(PIXEL_SIZE_M, 0, WEST_M + col * PITCH_M, 0, -PIXEL_SIZE_M, north), shape)


def _look(land: Territory, visit: Visit, latitude: float) -> Float:
    """The scene's pixels ``(band, row, col)``: ground, light and sensor of one visit."""
    ground = reflectance(land, visit.season, visit.level_m)
    ground *= lit(slope(land.terrain.height_m, PIXEL_SIZE_M), *sun(visit.season.day, latitude))
    return observe(ground, visit.optics, stream(land.seed, f"sensor {visit.acquired:%Y-%m-%d}"))
