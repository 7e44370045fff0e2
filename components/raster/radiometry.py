"""SAR radiometry: amplitude, intensity and decibels, and how many looks a scene really has.

Speckle is multiplicative: I = R S, where S follows Gamma(L, 1/L) and has mean 1. Means are taken of intensity only;
what averages asks for the unit, so that decibels or amplitudes never slip in.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp, log, sqrt
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import digamma, gammaincinv, gammaln, polygamma

from components.errors import BadScene, UnitMismatch
from components.raster.scene import Array, Scene, Stack, Unit

__all__ = [
    "amplitude_mean",
    "equivalent_looks",
    "in_unit",
    "log_mean",
    "log_median",
    "log_variance",
    "mean_intensity",
    "require_looks",
]

SAR_UNITS = ("amplitude", "intensity", "db")
WINDOW_PX = 7
FEWEST_WINDOWS = 50  # fewer say nothing about the most frequent one
_BIN = 0.05  # of the logarithm of a window's looks
_SMOOTHING_BINS = 4.0
_REPLAY_PX = 256  # side of the simulated homogeneous scene that the estimate is calibrated with

T = TypeVar("T", Scene, Stack)


def in_unit(value: T, unit: Unit) -> T:
    """The SAR scene or stack in another unit; itself where it has that unit already.

    Pixels become floats with NaN for nodata. What has no value in the new unit becomes nodata: the decibels of
    an intensity of 0 or less, the amplitude of a negative intensity.

    Raises:
        UnitMismatch: if one of the units is none of amplitude, intensity and decibels.
    """
    for each in (value.unit, unit):
        if each not in SAR_UNITS:
            raise UnitMismatch("radiometry", " or ".join(SAR_UNITS), each)
    if value.unit == unit:
        return value
    array = _with_nan(value.array, value.nodata)
    converted = _from_intensity(_to_intensity(array, value.unit), unit)
    return replace(value, array=converted, unit=unit, nodata=float("nan"))


def _with_nan(array: Array, nodata: float | None) -> NDArray[Any]:
    """Pixels as floats of at least 32 bits, NaN where they are nodata or not finite."""
    floats = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
    holes = ~np.isfinite(floats)
    if nodata is not None and np.isfinite(nodata):
        holes |= array == nodata
    return np.where(holes, np.asarray(np.nan, floats.dtype), floats)


def _to_intensity(array: NDArray[Any], unit: str) -> NDArray[Any]:
    if unit == "intensity":
        return array
    if unit == "amplitude":
        return np.asarray(np.where(array < 0, np.asarray(np.nan, array.dtype), array * array))
    return np.asarray(np.exp(array * np.asarray(log(10) / 10, array.dtype)))


def _from_intensity(array: NDArray[Any], unit: str) -> NDArray[Any]:
    if unit == "intensity":
        return array
    least = array >= 0 if unit == "amplitude" else array > 0
    known = np.where(least, array, np.asarray(np.nan, array.dtype))  # NaN compares as False and stays
    return np.sqrt(known) if unit == "amplitude" else np.asarray(10, array.dtype) * np.log10(known)


def mean_intensity(stack: Stack, fewest: int = 1) -> Scene:
    """The temporal multilook ``(band, row, col)``: the mean over the dates on which a pixel was seen.

    NaN where it was seen on fewer than ``fewest`` dates. The scene carries the last date.

    Raises:
        UnitMismatch: if the stack is not intensity; the mean of decibels or amplitudes is biased low.
    """
    if stack.unit != "intensity":
        raise UnitMismatch("mean over dates", "intensity", stack.unit)
    total = np.zeros(stack.array.shape[1:], np.float64)
    count = np.zeros(stack.array.shape[1:], np.int32)
    for layer in stack.array:  # a date at a time: a long stack is never copied as a whole
        pixels = _with_nan(layer, stack.nodata)
        seen = np.isfinite(pixels)
        total += np.where(seen, pixels, 0)
        count += seen
    mean = np.where(count >= max(fewest, 1), total / np.maximum(count, 1), np.nan).astype(np.float32)
    return Scene(mean, stack.grid, stack.bands, "intensity", float("nan"), stack.dates[-1] if stack.dates else None)


def log_mean(looks: float) -> float:
    """E[log S] = psi(L) - log L: how far the mean logarithm lies below the logarithm of the mean; -0.5772 at L = 1."""
    return float(digamma(looks)) - log(looks)


def log_variance(looks: float) -> float:
    """Var[log S] = psi1(L); 1.6449 at L = 1."""
    return float(polygamma(1, looks))


def log_median(looks: float) -> float:
    """The median of log S, what an L1 loss estimates; log(log 2) = -0.3665 at L = 1."""
    return log(float(gammaincinv(looks, 0.5)) / looks)


def amplitude_mean(looks: float) -> float:
    """E[sqrt S] = Gamma(L + 1/2) / (Gamma(L) sqrt L); 0.8862 at L = 1."""
    return exp(float(gammaln(looks + 0.5) - gammaln(looks))) / sqrt(looks)


def equivalent_looks(scene: Scene, window_px: int = WINDOW_PX) -> dict[str, float | None]:
    """Equivalent number of looks of each band, from its homogeneous parts; None where too few windows are whole.

    mean^2 / variance of every window without nodata; texture only lowers it, so the most frequent value is that of
    homogeneous ground. A window of n pixels scatters and is biased; what the same statistic says of simulated
    speckle with as many looks puts that right. Correlated speckle looks up to a few tens of per cent smoother than it
    is, and a scene without any homogeneous ground as rough as its ground.

    Raises:
        UnitMismatch: if the scene is neither amplitude, intensity nor decibels.
    """
    intensity = in_unit(scene, "intensity")
    pixels = _with_nan(intensity.array, intensity.nodata)
    return {name: _looks(band, window_px) for name, band in zip(scene.bands, pixels, strict=True)}


def _looks(band: NDArray[Any], window_px: int) -> float | None:
    found = _commonest(band, window_px)
    if found is None:
        return None
    replayed = np.random.default_rng(0).gamma(found, 1 / found, (_REPLAY_PX, _REPLAY_PX))
    said = _commonest(replayed, window_px)
    assert said is not None, "the replay is larger than a window"
    return found * found / said


def _commonest(band: NDArray[Any], window_px: int) -> float | None:
    """The most frequent mean^2 / variance of windows without holes."""
    if min(band.shape) < window_px:
        return None
    mean, square = (_window_means(each, window_px) for each in (band, np.asarray(band, np.float64) ** 2))
    count = window_px**2
    variance = (square - mean**2) * count / (count - 1)
    good = np.isfinite(variance) & (mean > 0) & (variance > 1e-9 * mean**2)
    if good.sum() < FEWEST_WINDOWS:
        return None
    logs = np.log(mean[good] ** 2 / variance[good])
    edges = np.arange(logs.min() - 4 * _BIN, logs.max() + 5 * _BIN, _BIN)
    frequency = gaussian_filter1d(np.histogram(logs, edges)[0].astype(float), _SMOOTHING_BINS)
    top = int(frequency.argmax())
    return exp(float(edges[top] + edges[top + 1]) / 2)


def _window_means(band: NDArray[Any], window_px: int) -> NDArray[np.float64]:
    """Means of all windows that lie inside; NaN where one holds a hole."""
    holes = ~np.isfinite(band)
    sums = _window_sums(np.where(holes, 0, band).astype(np.float64), window_px)
    return np.where(_window_sums(holes.astype(np.float64), window_px) > 0.5, np.nan, sums / window_px**2)


def _window_sums(values: NDArray[np.float64], window_px: int) -> NDArray[np.float64]:
    for axis in (0, 1):
        total = np.insert(values.cumsum(axis), 0, 0.0, axis)
        size = values.shape[axis]
        values = total.take(range(window_px, size + 1), axis) - total.take(range(size + 1 - window_px), axis)
    return values


def require_looks(scene: Scene, declared: float, tolerance: float = 0.3) -> dict[str, float | None]:
    """The estimated looks of each band where they agree with what the metadata declares.

    ``tolerance`` is relative. A band too small to tell passes as None.

    Raises:
        BadScene: names band, declared and estimated looks.
        UnitMismatch: if the scene is neither amplitude, intensity nor decibels.
    """
    found = equivalent_looks(scene)
    for band, looks in found.items():
        if looks is not None and abs(looks / declared - 1) > tolerance:
            raise BadScene(
                f"scene, band {band}",
                f"the metadata declare {declared:.3g} looks, the pixels say {looks:.3g} (unit {scene.unit})",
                "check the unit, whether the product was filtered or resampled, and the declared looks",
            )
    return found
