"""The light on slopes at the hour when the satellite passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.simulation.noise import Float

HOUR = np.radians(-15.0)  # an hour before local noon, at the middle of the zone


def sun(day: float, latitude: float) -> tuple[float, float]:
    """Elevation above the horizon and azimuth from north, in radians, at the overpass on a day of the year."""
    declination = np.radians(-23.44) * np.cos(2 * np.pi * (day + 10) / 365)
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(HOUR)
    elevation = float(np.arcsin(sine))
    return elevation, float(np.pi + np.arcsin(np.sin(HOUR) * np.cos(declination) / np.cos(elevation)))


def lit(land_slope: tuple[NDArray[np.float32], NDArray[np.float32]], elevation: float, azimuth: float) -> Float:
    """Brightness factor ``(row, col)`` of slopes against flat ground, sun angles in radians.

    The C-correction model of Teillet, Guindon and Goodenough (1982), https://doi.org/10.1080/07038992.1982.10855028,
    read forwards: (cos i + c) / (cos z + c), where c stands for the light of the sky.
    """
    sky = np.float32(0.35)
    south, east = land_slope
    flat = np.float32(np.sin(elevation))
    towards = np.float32(np.cos(elevation))
    facing = flat + towards * (np.float32(np.cos(azimuth)) * south - np.float32(np.sin(azimuth)) * east)
    cosine = np.clip(facing / np.sqrt(1 + south * south + east * east), 0, 1)
    return np.asarray((cosine + sky) / (flat + sky), dtype=np.float32)
