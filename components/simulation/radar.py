"""Sentinel-1-like scenes of a sandbox territory: VV and VH intensity on the grid of its optical scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from components.simulation.backscatter import POLARISATIONS, Weather, backscatter
from components.simulation.landcover import Cover
from components.simulation.noise import Float, stream
from components.simulation.phenology import Season
from components.simulation.sensor import moved
from components.simulation.speckle import Speckle, speckle
from components.simulation.terrain import slope
from components.simulation.territory import PIXEL_SIZE_M, Territory

Orbit = Literal["ascending", "descending"]
LOOK_AZIMUTH_DEG: dict[Orbit, float] = {"ascending": 78.0, "descending": 282.0}  # a right-looking, near-polar orbit
STANDS_M = {Cover.BROADLEAF: 17.0, Cover.CONIFER: 21.0, Cover.BUILDING: 7.0, Cover.GARDEN: 2.0, Cover.HEATH: 0.6}
STAND_BLUR_PX = 1.1
MOST_SLOPE = 0.55  # steeper fronts are in layover; their brightness stops growing
RESOLUTION_BLUR_PX = 0.8  # 20 m of resolution on a 10 m grid: neighbours correlate by about 0.65, as in GRD products
INVERSE_ROUNDS = 12


@dataclass(frozen=True)
class Look:
    """One way to look at the ground.

    Attributes:
        orbit: decides where the radar looks from.
        incidence_deg: angle from the vertical at flat ground.
        looks: equivalent looks of one acquisition.
        dates: acquisitions that are averaged; their speckle is taken as independent.
        blur_px: width of the point response, which also correlates the speckle.
        layover: share of the displacement by relief that is left in the product: 0 is terrain-corrected, 1 is not.
    """

    orbit: Orbit = "descending"
    incidence_deg: float = 38.0
    looks: float = 4.4
    dates: int = 1
    blur_px: float = RESOLUTION_BLUR_PX
    layover: float = 0.0

    @property
    def azimuth(self) -> float:
        """Where the radar looks, radians from north to the east."""
        return float(np.radians(LOOK_AZIMUTH_DEG[self.orbit]))

    @property
    def range_direction(self) -> tuple[float, float]:
        """The unit vector (down the rows, along the columns) that points away from the radar."""
        return float(-np.cos(self.azimuth)), float(np.sin(self.azimuth))


def radar(land: Territory, season: Season, weather: Weather, look: Look, name: str = "radar") -> Float:
    """VV and VH intensity ``(2, row, col)`` as delivered; ``name`` tells the speckle of several scenes apart."""
    ground = backscatter(land, season, weather, look.azimuth) * _incidence_gain(land, look)
    if look.layover:
        ground = _displaced(ground, land.terrain.height_m, look)
    rng = stream(land.seed, f"{name} speckle")
    seen = Speckle(look.looks * look.dates, look.blur_px, wraps=False)
    return np.stack(
        [
            moved(ground[band], look.blur_px, (0.0, 0.0)) * speckle(rng, land.shape, seen)
            for band in range(len(POLARISATIONS))
        ]
    )


def displacement(height_m: Float, look: Look) -> Float:
    """Where ground of a height comes to lie ``(2, row, col)``, pixels down and right: towards the radar if high.

    A point h above the datum is seen as early as one h / tan(incidence) nearer on flat ground; the mean height
    is the datum.
    """
    nearer_px = (height_m - height_m.mean()) / np.float32(np.tan(np.radians(look.incidence_deg)) * PIXEL_SIZE_M)
    down, right = look.range_direction
    return np.stack([-down * nearer_px, -right * nearer_px]).astype(np.float32) * np.float32(look.layover)


def _incidence_gain(land: Territory, look: Look) -> Float:
    """Brightness factor ``(row, col)`` of slopes against flat ground: more area a pixel towards the radar.

    tan(incidence) / tan(local incidence): the projected area (Ulander 1996) times the fall of the return of
    rough surfaces with the cosine. Stands of trees and houses are part of the surface: fronts are bright, backs dark.
    """
    stands = np.zeros(len(Cover), dtype=np.float32)
    for cover, metres in STANDS_M.items():
        stands[cover] = metres
    surface = land.terrain.height_m + gaussian_filter(stands[land.cover], STAND_BLUR_PX)
    south, east = (np.clip(each, -MOST_SLOPE, MOST_SLOPE) for each in slope(surface, PIXEL_SIZE_M))
    incidence = np.radians(look.incidence_deg)
    down, right = look.range_direction
    rise = np.float32(down) * south + np.float32(right) * east  # away from the radar: such a slope faces it
    cosine = (np.float32(np.cos(incidence)) + np.float32(np.sin(incidence)) * rise) / np.sqrt(
        1 + south * south + east * east
    )
    cosine = np.clip(cosine, 0.15, 0.98)
    gain = np.float32(np.tan(incidence)) * cosine / np.sqrt(1 - cosine * cosine)
    return np.asarray(np.clip(gain, 0.2, 5.0), dtype=np.float32)


def _displaced(ground: Float, height_m: Float, look: Look) -> Float:
    """The picture with relief displacement left in it; where ground folds over itself, one of its layers."""
    moves = displacement(height_m, look)
    target = np.indices(height_m.shape, dtype=np.float32)
    source = target.copy()
    for _ in range(INVERSE_ROUNDS):
        source = target - np.stack([map_coordinates(each, source, order=1, mode="nearest") for each in moves])
    return np.stack([map_coordinates(each, source, order=1, mode="nearest") for each in ground]).astype(np.float32)
