"""Random fields and random streams: everything irregular in the sandbox comes from here."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len

Float = NDArray[np.float32]
PADDING_PX = 64  # a spectral field wraps around; it is made larger by this much and cut, so opposite edges differ


def stream(seed: int, name: str) -> np.random.Generator:
    """The random generator of one named ingredient of a territory.

    Ingredients have streams of their own, so a new one leaves the old ones as they were.

    Raises:
        ValueError: if the seed is negative.
    """
    return np.random.default_rng([seed, crc32(name.encode())])


def fractal(rng: np.random.Generator, shape: tuple[int, int], *, scale_px: float, slope: float) -> Float:
    """A Gaussian random field ``(row, col)`` of mean 0 and standard deviation 1.

    Its amplitude spectrum is flat for wavelengths above ``scale_px`` and falls with the frequency to
    the power ``-slope`` below: about 1 is rough like a canopy, 2 like eroded hills, 3 is smooth.
    """
    rows, cols = (next_fast_len(size + min(PADDING_PX, int(scale_px)), real=True) for size in shape)
    frequency_2 = np.square(np.fft.fftfreq(rows))[:, None] + np.square(np.fft.rfftfreq(cols))
    amplitude = ((frequency_2 + scale_px**-2) ** (-slope / 2)).astype(np.float32)
    white = rng.standard_normal((*amplitude.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    field = irfft2(white * amplitude, s=(rows, cols), workers=1)[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-12), dtype=np.float32)
