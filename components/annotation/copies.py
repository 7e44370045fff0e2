"""Chips that show the same pixels: byte for byte, re-encoded, or shifted by some pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from components.raster.scene import Scene, valid_pixels
from components.tasks.chips import Prepared

Float = NDArray[np.float32]

THUMB_PX = 32
SUSPECT = 0.4  # correlation of thumbnails at their best shift above which the pixels themselves are compared
COPY = 0.8  # correlation of the structure in the shared part above which two chips are one picture
LEAST_SHARED = 0.4  # of a chip, for a shift to count


@dataclass(frozen=True)
class _Print:
    """What is remembered of one input of a chip."""

    chip: int
    input: str
    digest: str
    spectrum: NDArray[np.complex64] | None  # of the thumbnail's structure; None where there is none


def near_copies(
    prepared: Prepared, names: Sequence[str], apart: NDArray[np.bool_]
) -> Iterator[tuple[Literal["same pixels", "near copy"], int, int, float]]:
    """Pairs of chips (positions in ``names``) that are ``apart`` and show the same pixels, with their correlation."""
    prints = [each for position, name in enumerate(names) for each in _prints(prepared, position, name)]
    best: dict[tuple[int, int], tuple[Literal["same pixels", "near copy"], float]] = {}
    for left, right, alike in _suspects(prints, apart):
        pair = (min(left.chip, right.chip), max(left.chip, right.chip))
        if left.digest == right.digest:
            best[pair] = ("same pixels", 1.0)
        elif alike > SUSPECT and best.get(pair, ("", 0.0))[1] < 1:
            sure = _correlation(_picture(prepared, names, left), _picture(prepared, names, right))
            if sure > max(COPY, best.get(pair, ("", 0.0))[1]):
                best[pair] = ("near copy", sure)
    yield from ((kind, i, j, alike) for (i, j), (kind, alike) in sorted(best.items()))


def _prints(prepared: Prepared, position: int, name: str) -> Iterator[_Print]:
    for key, value in sorted(prepared.chip(name).inputs.items()):
        if isinstance(value, Scene):
            pixels = np.ascontiguousarray(value.array)
            digest = hashlib.sha256(f"{pixels.dtype}{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
            yield _Print(position, key, digest, _spectrum(_grey(value)))


def _spectrum(grey: Float) -> NDArray[np.complex64] | None:
    thumb = _structure(_resized(grey, (THUMB_PX, THUMB_PX)), 0.0, 4.0)
    length = float(np.linalg.norm(thumb))
    return np.fft.rfft2(thumb / length).astype(np.complex64) if length > 1e-3 * THUMB_PX else None


def _grey(scene: Scene) -> Float:
    """The mean of all bands ``(row, col)``, each scaled to mean 0 and standard deviation 1; 0 without data."""
    seen = valid_pixels(scene.array, scene.nodata)
    total = np.zeros(seen.shape, dtype=np.float32)
    for band in scene.array:
        values = band[seen].astype(np.float32)
        if values.size and values.std() > 0:
            total[seen] += (values - values.mean()) / values.std()
    return total / np.float32(len(scene.array))


def _resized(grey: Float, shape: tuple[int, ...]) -> Float:
    factors = [new / old for new, old in zip(shape, grey.shape, strict=True)]
    blurred = gaussian_filter(grey, [max(0.0, (1 / factor - 1) / 2) for factor in factors])  # against aliasing
    return np.asarray(zoom(blurred, factors, order=1), dtype=np.float32)


def _structure(grey: Float, fine_px: float, coarse_px: float) -> Float:
    """What lies between two scales: neither the noise of an encoder nor light and shade of the whole."""
    fine = gaussian_filter(grey, fine_px) if fine_px else grey
    return np.asarray(fine - gaussian_filter(grey, coarse_px), dtype=np.float32)


def _suspects(prints: Sequence[_Print], apart: NDArray[np.bool_]) -> Iterator[tuple[_Print, _Print, float]]:
    """Pairs that are apart with the correlation of their thumbnails at the best shift; one row at a time."""
    empty = np.zeros((THUMB_PX, THUMB_PX // 2 + 1), np.complex64)
    spectra = np.array([empty if each.spectrum is None else each.spectrum for each in prints])
    chips = np.array([each.chip for each in prints])
    for at, left in enumerate(prints):
        others = np.flatnonzero(apart[left.chip, chips] & (np.arange(len(prints)) > at))
        if others.size:
            shifted = np.fft.irfft2(spectra[others] * spectra[at].conj(), s=(THUMB_PX, THUMB_PX))
            peaks = shifted.max(axis=(1, 2))
            for other, peak in zip(others, peaks, strict=True):
                yield left, prints[int(other)], float(peak)


def _picture(prepared: Prepared, names: Sequence[str], which: _Print) -> Float:
    value: Any = prepared.chip(names[which.chip]).inputs[which.input]
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
