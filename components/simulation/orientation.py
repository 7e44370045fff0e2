"""Which way fields and streets run, read off the rasters; what faces the radar is brighter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from components.simulation.noise import Float

STREET_SCALE_PX = 5.0  # streets within about this distance decide how a house stands


def long_axes(number: NDArray[np.int32], count: int) -> Float:
    """Azimuth ``(count,)`` of the longer axis of each numbered patch, radians from north to the east, modulo pi."""
    y, x = (axis.ravel().astype(np.float64) for axis in np.indices(number.shape))
    flat = number.ravel()
    size = np.maximum(np.bincount(flat, minlength=count), 1)
    mean_y, mean_x = (np.bincount(flat, axis, minlength=count) / size for axis in (y, x))
    yy, xx, xy = (
        np.bincount(flat, one * other, minlength=count) / size - left * right
        for one, other, left, right in ((y, y, mean_y, mean_y), (x, x, mean_x, mean_x), (x, y, mean_x, mean_y))
    )
    return _azimuth(xx, yy, xy)


def street_axes(built: NDArray[np.bool_]) -> Float:
    """The azimuth (radians, modulo pi) ``(row, col)`` along which the built pixels around each pixel are lined up."""
    smooth = gaussian_filter(built.astype(np.float32), 0.8)
    down, right = np.gradient(smooth)
    # Along a line the brightness does not change: the tensor of the gradient, turned by a quarter.
    xx, yy, xy = (gaussian_filter(each, STREET_SCALE_PX) for each in (down * down, right * right, -down * right))
    return _azimuth(xx, yy, xy)


def parallel(axes: Float, azimuth: float, *, width: float) -> Float:
    """1 where an axis runs along ``azimuth``, falling to 0 within a few ``width`` (radians) of it."""
    off = np.abs(np.mod(axes - azimuth + np.pi / 2, np.pi) - np.pi / 2)
    return np.asarray(np.exp(-np.square(off / width)), dtype=np.float32)


def cross_alignment(axes: Float, azimuth: float, *, width: float) -> Float:
    """1 where an axis runs along ``azimuth`` or across it (houses have four walls), falling to 0 between."""
    return np.maximum(parallel(axes, azimuth, width=width), parallel(axes, azimuth + np.pi / 2, width=width))


def _azimuth(xx: NDArray[np.float64], yy: NDArray[np.float64], xy: NDArray[np.float64]) -> Float:
    """Azimuth of the main axis of second moments, x to the east, y to the south."""
    from_east = np.arctan2(2 * xy, xx - yy) / 2  # towards the south, as rows run
    return np.asarray(np.mod(np.pi / 2 + from_east, np.pi), dtype=np.float32)
