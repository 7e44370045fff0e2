"""Radar series of pure speckle, and with one planted change."""

from datetime import UTC, datetime, timedelta

import numpy as np

from components.raster.scene import Stack
from tests.scenes import make_grid

START = datetime(2022, 1, 3, 6, tzinfo=UTC)


def dates_of(count, spacing=12):
    return tuple(START + timedelta(days=spacing * index) for index in range(count))


def speckle_stack(dates=30, shape=(48, 48), *, bands=("VV", "VH"), looks=4.4, seed=0, spacing=12, unit="intensity"):
    """Stable ground of reflectivity 0.1 in the first band and 0.02 in the second."""
    level = np.array([0.1, 0.02], np.float32)[: len(bands), None, None]
    array = np.random.default_rng(seed).gamma(looks, 1 / looks, (dates, len(bands), *shape)).astype(np.float32) * level
    if unit == "amplitude":
        array = np.sqrt(array)
    elif unit == "db":
        array = 10 * np.log10(array)
    return Stack(array, make_grid(shape), bands, unit, dates_of(dates, spacing), float("nan"))
