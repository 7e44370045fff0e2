"""Values to stored numbers: explicit, checked, never clipped in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene
from components.raster.scene import Array


@dataclass(frozen=True)
class Encoding:
    """How values become stored numbers: stored = (value - offset) / scale, ``nodata`` where there is no value.

    Sentinel-2 reflectance as it is published today: ``Encoding("uint16", scale=1e-4, offset=-0.1, nodata=0)``.
    """

    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None

    def __post_init__(self) -> None:
        kind = np.dtype(self.dtype)
        if not (np.issubdtype(kind, np.integer) or kind in (np.float32, np.float64)):
            raise ValueError(f"a GeoTIFF stores integers, float32 or float64, not {self.dtype}")
        if not (np.isfinite(self.scale) and np.isfinite(self.offset) and self.scale != 0):
            raise ValueError(f"scale {self.scale} and offset {self.offset} must be finite, the scale not 0")
        if self.nodata is not None and not _holds(kind, self.nodata):
            raise ValueError(f"nodata {self.nodata} is no number of type {self.dtype}")


def encode(array: Array, nodata: float | None, encoding: Encoding, where: object) -> Array:
    """Stored numbers of ``(band, row, col)`` values whose empty pixels are ``nodata`` or not finite.

    Raises:
        BadScene: if a value does not fit the stored type, or would be mistaken for nodata.
    """
    target = np.dtype(encoding.dtype)
    plain = encoding.scale == 1.0 and encoding.offset == 0.0
    if plain and target == array.dtype and _same(encoding.nodata, nodata):
        return array
    stored = np.empty(array.shape, target)
    for band, values in enumerate(array):  # band by band: the float64 in between is of one band only
        numbers = (values.astype(np.float64) - encoding.offset) / encoding.scale
        stored[band] = _fitted(numbers, _empty(values, nodata), encoding, where)
    return stored


def _fitted(numbers: NDArray[np.float64], empty: NDArray[np.bool_], encoding: Encoding, where: object) -> Array:
    target = np.dtype(encoding.dtype)
    if np.issubdtype(target, np.integer):
        numbers = np.rint(numbers)
        limits = np.iinfo(target)
        seen = numbers[~empty]
        if seen.size and (seen.min() < limits.min or seen.max() > limits.max):
            reason = f"values of {seen.min():.6g} to {seen.max():.6g} do not fit {encoding.dtype} once scaled"
            raise BadScene(where, reason, "choose another scale, offset or type in the encoding")
    if empty.any() and encoding.nodata is None and np.issubdtype(target, np.integer):
        raise BadScene(where, "pixels without data and no number for them", "give the encoding a nodata value")
    stored = np.where(empty, 0 if encoding.nodata is None else encoding.nodata, numbers)
    if encoding.nodata is None:
        stored = np.where(empty, np.nan, stored)
    result: Array = stored.astype(target)
    if encoding.nodata is not None and bool((_empty(result, encoding.nodata) & ~empty).any()):
        reason = f"values that are stored as {encoding.nodata:g}, which means nodata"
        raise BadScene(where, reason, "choose another nodata value or offset in the encoding")
    return result


def _empty(values: Array, nodata: float | None) -> NDArray[np.bool_]:
    empty = ~np.isfinite(values) if np.issubdtype(values.dtype, np.inexact) else np.zeros(values.shape, dtype=bool)
    return empty if nodata is None or np.isnan(nodata) else np.asarray(empty | (values == nodata))


def _same(left: float | None, right: float | None) -> bool:
    return left == right or (left is not None and right is not None and bool(np.isnan(left) and np.isnan(right)))


def _holds(kind: np.dtype[Any], number: float) -> bool:
    if np.issubdtype(kind, np.inexact):
        return True
    limits = np.iinfo(kind)
    return bool(np.isfinite(number)) and float(number).is_integer() and limits.min <= number <= limits.max
