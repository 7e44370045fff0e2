"""Chips of different splits that show the same pixels: byte for byte, re-encoded, or shifted by some pixels."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from components.raster.scene import Scene, valid_pixels
from components.tasks.chips import Prepared

Float = NDArray[np.float32]

THUMB_PX = 32
SUSPECT = 0.5  # correlation of thumbnails at their best shift above which the pixels themselves are compared
COPY = 0.8  # correlation of the structure in the shared part above which two chips are one picture
LEAST_SHARED = 0.4  # of a chip, for a shift to count
AT_ONCE = 4096  # thumbnails that are compared with one
KEPT_PICTURES = 64


class Copy(NamedTuple):
    """Two chips (positions in the index) of different splits, and the correlation of what both show; 1: same bytes."""

    left: int
    right: int
    alike: float


@dataclass(frozen=True)
class _Print:
    """What is remembered of one input of a chip that shows any structure."""

    chip: int
    input: str
    digest: str
    spectrum: NDArray[np.complex64]  # of the thumbnail's structure


def copies(prepared: Prepared, roles: Sequence[object]) -> list[Copy]:
    """Pairs of chips with unequal ``roles`` (one a chip, in the order of the index) that show the same pixels, sorted.

    Every two images are compared by a thumbnail (about 5 microseconds), those that resemble each other at full size.
    Values count by their rank, so that neither a changed scale nor one bright scatterer hides or makes a copy. A chip
    without any structure is nobody's copy. Features have no pixels and are not compared.
    """
    names = list(prepared.index["chip"])
    prints = [each for position, name in enumerate(names) for each in _prints(prepared, position, name)]
    splits = np.unique([str(role) for role in roles], return_inverse=True)[1]
    picture = lru_cache(KEPT_PICTURES)(lambda chip, key: _picture(prepared, names[chip], key))
    best = dict.fromkeys(_same_bytes(prints, splits), 1.0)
    for left, right in _suspects(prints, splits):
        pair = (left.chip, right.chip)
        if best.get(pair, 0.0) < 1:
            alike = _correlation(picture(left.chip, left.input), picture(right.chip, right.input))
            if alike > max(COPY, best.get(pair, 0.0)):
                best[pair] = alike
    return [Copy(*pair, alike) for pair, alike in sorted(best.items())]


def _prints(prepared: Prepared, position: int, name: str) -> Iterator[_Print]:
    for key, value in sorted(prepared.chip(name).inputs.items()):
        if isinstance(value, Scene):
            spectrum = _spectrum(_grey(value))
            if spectrum is not None:
                pixels = np.ascontiguousarray(value.array)
                digest = hashlib.sha256(f"{pixels.dtype}{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
                yield _Print(position, key, digest, spectrum)


def _same_bytes(prints: Sequence[_Print], splits: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    same: dict[str, list[int]] = defaultdict(list)
    for each in prints:
        same[each.digest].append(each.chip)
    for chips in same.values():
        for one, other in combinations(sorted(set(chips)), 2):
            if splits[one] != splits[other]:
                yield one, other


def _spectrum(grey: Float) -> NDArray[np.complex64] | None:
    thumb = _structure(_resized(grey, (THUMB_PX, THUMB_PX)), 0.0, 4.0)
    length = float(np.linalg.norm(thumb))
    return np.fft.rfft2(thumb / length).astype(np.complex64) if length > 1e-3 * THUMB_PX else None


def _grey(scene: Scene) -> Float:
    """The mean of all bands ``(row, col)``, each by the rank of its values, -0.5..0.5; 0 without data."""
    seen = valid_pixels(scene.array, scene.nodata)
    total = np.zeros(seen.shape, dtype=np.float32)
    for band in scene.array:
        values, ranks = np.unique(band[seen], return_inverse=True)
        if values.size > 1:
            total[seen] += ranks.astype(np.float32).reshape(-1) / np.float32(values.size - 1) - np.float32(0.5)
    return total / np.float32(len(scene.array))


def _resized(grey: Float, shape: tuple[int, ...]) -> Float:
    factors = [new / old for new, old in zip(shape, grey.shape, strict=True)]
    blurred = gaussian_filter(grey, [max(0.0, (1 / factor - 1) / 2) for factor in factors])  # against aliasing
    return np.asarray(zoom(blurred, factors, order=1), dtype=np.float32)


def _structure(grey: Float, fine_px: float, coarse_px: float) -> Float:
    """What lies between two scales: neither the noise of an encoder nor light and shade of the whole."""
    fine = gaussian_filter(grey, fine_px) if fine_px else grey
    return np.asarray(fine - gaussian_filter(grey, coarse_px), dtype=np.float32)


def _suspects(prints: Sequence[_Print], splits: NDArray[np.integer]) -> Iterator[tuple[_Print, _Print]]:
    """Pairs of different splits whose thumbnails resemble each other at their best shift."""
    spectra = np.array([each.spectrum for each in prints])
    chips = np.array([each.chip for each in prints], dtype=np.intp)
    for at, left in enumerate(prints):
        others = at + 1 + np.flatnonzero(splits[chips[at + 1 :]] != splits[left.chip])
        for first in range(0, len(others), AT_ONCE):
            some = others[first : first + AT_ONCE]
            shifted = scipy.fft.irfft2(spectra[some] * spectra[at].conj(), s=(THUMB_PX, THUMB_PX), workers=-1)
            for other in some[shifted.max(axis=(1, 2)) > SUSPECT]:
                yield left, prints[int(other)]


def _picture(prepared: Prepared, name: str, key: str) -> Float:
    value = prepared.chip(name).inputs[key]
    assert isinstance(value, Scene), "only scenes have a print"
    return _structure(_grey(value), 1.0, 6.0)


def _correlation(left: Float, right: Float) -> float:
    """Correlation of two pictures in the part they share after the best whole-pixel shift; 0 where none is shared."""
    if left.shape != right.shape:
        right = _resized(right, left.shape)
    padded = (2 * left.shape[0], 2 * left.shape[1])
    power = np.fft.irfft2(np.fft.rfft2(left, padded).conj() * np.fft.rfft2(right, padded), s=padded)
    down, right_by = (
        int(at) if at < size else int(at) - 2 * size
        for at, size in zip(np.unravel_index(int(power.argmax()), padded), left.shape, strict=True)
    )
    rows, cols = left.shape
    a = left[max(0, -down) : rows - max(0, down), max(0, -right_by) : cols - max(0, right_by)]
    b = right[max(0, down) : rows - max(0, -down), max(0, right_by) : cols - max(0, -right_by)]
    if a.size < LEAST_SHARED * left.size or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
