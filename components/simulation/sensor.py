"""How an optical satellite sees the ground: blur, shift, haze, radiometry, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from components.simulation.noise import Float, fractal
from components.simulation.spectra import BANDS, HAZE, NATIVE_20_M

# Deviation of the Gaussian point spread in 10 m pixels. With the width of the detector it leaves the 10 m bands
# 23 % of the contrast at their Nyquist frequency; Sentinel-2 is specified to keep 15 to 30 %.
RESAMPLING_BLUR_PX = 0.45
BLUR_PX = {band: 0.75 if band in NATIVE_20_M else RESAMPLING_BLUR_PX for band in BANDS}
KERNEL_RADIUS_PX = 3
LEAST, MOST = 1e-4, 1.5  # reflectance that a product can hold: its stored 0 means "nothing seen"


@dataclass(frozen=True)
class Optics:
    """What lies between ground and file at one date.

    ``shift_px`` (down, right) is how far the picture lies from its place; ``haze`` the path reflectance in
    the blue band where haze is densest; ``gain`` and ``offset`` one number a band; ``noise`` the deviation
    of the sensor noise at reflectance 0.2; ``blurred`` whether there is a point spread at all.
    """

    shift_px: tuple[float, float]
    haze: float
    gain: Float
    offset: Float
    noise: float
    blurred: bool


def observe(pixels: Float, optics: Optics, rng: np.random.Generator) -> Float:
    """Reflectance ``(band, row, col)`` as delivered, from that on the ground; 1e-4 to 1.5."""
    veil = _veil(rng, pixels.shape[1:], optics.haze)
    return np.stack([_see(pixels[index], index, veil, optics, rng) for index in range(len(BANDS))])


def _see(pixels: Float, band: int, veil: Float | None, optics: Optics, rng: np.random.Generator) -> Float:
    """One band ``(row, col)`` as delivered."""
    seen: Float = moved(pixels, BLUR_PX[BANDS[band]] if optics.blurred else 0.0, optics.shift_px)
    gain, offset = optics.gain[band], optics.offset[band]
    if veil is not None:
        path = HAZE[band] * gain * veil
        seen = seen * (gain - np.float32(1.4) * path)
        seen += path
        seen += offset
    else:
        seen = seen * gain + offset
    if optics.noise:
        seen += _noise(seen, optics.noise, rng)
    return np.asarray(np.clip(seen, np.float32(LEAST), np.float32(MOST), out=seen))


def _noise(seen: Float, deviation: float, rng: np.random.Generator) -> Float:
    """Sensor noise ``(row, col)`` whose variance grows with the light."""
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    light = np.clip(seen, 0, 1)
    light *= np.float32(3.5)
    light += np.float32(0.3)
    noise *= np.sqrt(light, out=light)
    noise *= np.float32(deviation)
    return noise


def moved(pixels: Float, blur_px: float, shift_px: tuple[float, float]) -> Float:
    """The picture ``(row, col)`` blurred by a Gaussian and moved down and right, in one resampling."""
    for axis, shift in enumerate(shift_px):
        if blur_px or shift:
            # A picture that moves without a point spread is still resampled, and that blurs it.
            pixels = _convolved(pixels, _kernel(blur_px or RESAMPLING_BLUR_PX, shift), axis)
    return pixels


def _convolved(pixels: Float, kernel: Float, axis: int) -> Float:
    """The picture weighted along one axis, its edges repeated; slices beat `scipy.ndimage` threefold here."""
    margins = [(KERNEL_RADIUS_PX, KERNEL_RADIUS_PX) if one == axis else (0, 0) for one in (0, 1)]
    padded = np.moveaxis(np.pad(pixels, margins, mode="edge"), axis, 0)
    out, part = np.zeros_like(pixels), np.empty_like(pixels)
    target, scratch = np.moveaxis(out, axis, 0), np.moveaxis(part, axis, 0)
    for tap in np.flatnonzero(kernel):
        np.multiply(padded[tap : tap + len(target)], kernel[tap], out=scratch)
        target += scratch
    return out


def _kernel(blur_px: float, shift_px: float) -> Float:
    """The Gaussian integrated over each pixel, which keeps its centre at the shift to 0.01 px; sampling would not."""
    edges = np.arange(-KERNEL_RADIUS_PX, KERNEL_RADIUS_PX + 2) - 0.5
    weights = np.diff(ndtr((edges + shift_px) / blur_px))
    kept = np.where(weights < 1e-3 * weights.max(), 0, weights)
    return np.asarray(kept / kept.sum(), dtype=np.float32)


def _veil(rng: np.random.Generator, shape: tuple[int, ...], densest: float) -> Float | None:
    """Path reflectance in the blue band ``(row, col)``: wide soft swathes, none where the sky is clear."""
    if not densest:
        return None
    swathes = fractal(rng, (shape[0], shape[1]), scale_px=150.0, slope=2.8)
    return np.asarray(np.float32(densest) * np.clip(0.45 + 0.28 * swathes, 0, 1), dtype=np.float32)
