"""Reflectance of materials in the ten Sentinel-2 bands of 10 m and 20 m.

The numbers are rounded surface reflectances (bottom of atmosphere, 0..1) as one reads them in cloud-free
Sentinel-2 L2A scenes of temperate Europe; their shapes follow the usual spectral libraries (red edge of
green leaves, clay and cellulose slope of soil and straw, darkness of water beyond 750 nm, and char that is
dark in the near infrared and brighter than leaves at 2.2 um, which is what burn indices rest on).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
NATIVE_20_M = ("B05", "B06", "B07", "B8A", "B11", "B12")  # seen at 20 m, delivered on the 10 m grid


class Material(IntEnum):
    """Pure materials, in the order of the rows of `SPECTRA`."""

    CROP = 0
    GRASS = 1
    STRAW = 2
    DRY_SOIL = 3
    MOIST_SOIL = 4
    BROADLEAF = 5
    CONIFER = 6
    BARK = 7
    CLEAR_WATER = 8
    TURBID_WATER = 9
    ASPHALT = 10
    CONCRETE = 11
    TILE = 12
    METAL = 13
    CHAR = 14


SPECTRA = np.array(
    [  # B02    B03    B04    B05    B06    B07    B08    B8A    B11    B12
        [0.026, 0.058, 0.027, 0.080, 0.280, 0.380, 0.420, 0.430, 0.190, 0.090],  # CROP
        [0.036, 0.068, 0.048, 0.105, 0.250, 0.305, 0.335, 0.350, 0.230, 0.130],  # GRASS
        [0.070, 0.102, 0.135, 0.165, 0.195, 0.215, 0.240, 0.260, 0.340, 0.265],  # STRAW
        [0.090, 0.122, 0.160, 0.182, 0.200, 0.212, 0.228, 0.245, 0.330, 0.290],  # DRY_SOIL
        [0.050, 0.064, 0.083, 0.096, 0.108, 0.117, 0.128, 0.140, 0.200, 0.170],  # MOIST_SOIL
        [0.020, 0.042, 0.023, 0.072, 0.250, 0.330, 0.360, 0.378, 0.170, 0.076],  # BROADLEAF
        [0.018, 0.030, 0.020, 0.046, 0.140, 0.182, 0.202, 0.216, 0.100, 0.046],  # CONIFER
        [0.040, 0.054, 0.065, 0.082, 0.110, 0.126, 0.142, 0.156, 0.220, 0.160],  # BARK
        [0.036, 0.032, 0.018, 0.015, 0.012, 0.012, 0.010, 0.010, 0.006, 0.004],  # CLEAR_WATER
        [0.058, 0.078, 0.062, 0.056, 0.036, 0.036, 0.030, 0.028, 0.014, 0.010],  # TURBID_WATER
        [0.088, 0.098, 0.106, 0.112, 0.118, 0.122, 0.128, 0.133, 0.150, 0.138],  # ASPHALT
        [0.190, 0.220, 0.240, 0.250, 0.258, 0.264, 0.272, 0.278, 0.300, 0.280],  # CONCRETE
        [0.080, 0.110, 0.190, 0.220, 0.240, 0.250, 0.265, 0.280, 0.330, 0.300],  # TILE
        [0.300, 0.320, 0.330, 0.332, 0.333, 0.333, 0.332, 0.330, 0.310, 0.290],  # METAL
        [0.030, 0.033, 0.038, 0.042, 0.048, 0.053, 0.060, 0.067, 0.125, 0.145],  # CHAR
    ],
    dtype=np.float32,
)

# Path reflectance of a hazy atmosphere relative to the blue band: scattering falls with the wavelength.
HAZE = np.array([1.0, 0.78, 0.58, 0.50, 0.43, 0.38, 0.31, 0.28, 0.08, 0.04], dtype=np.float32)
