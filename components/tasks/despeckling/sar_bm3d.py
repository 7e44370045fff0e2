"""SAR-BM3D: block matching and collaborative filtering that know speckle to be multiplicative.

Parrilli, Poderico, Angelino and Verdoliva 2012, https://doi.org/10.1109/TGRS.2011.2161586, written from the paper (the
authors' program is closed). Amplitudes z = x u with E[u] = 1 are filtered; additive noise x (u - 1) then has the
power E[z^2] s / (1 + s), s = Var[u].
Step 1: blocks are alike where one reflectivity makes both likely, (2 L - 1) sum log(z1/z2 + z2/z1); groups are shrunk
by the local linear estimate of least mean square error in the bands of an undecimated wavelet transform.
Step 2: the first estimate joins the distance and gives the gains of a Wiener filter in the cosine domain.
Departures: the wavelet is Haar's (the paper: Daubechies-8); reference blocks are 4 pixels apart (3); step 1 seeks on
every third pixel, so that members hold independent speckle (as good in PSNR, smoother and less biased than every
pixel); weights of groups use the noise relative to the group's own power, because absolute ones prefer dark groups;
and a constant gain undoes the bias that matching has on homogeneous ground.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from components.raster.radiometry import amplitude_mean
from components.tasks.despeckling.bm3d import floor_of
from components.tasks.despeckling.debiasing import calibrated
from components.tasks.despeckling.matching import (
    BLOCK_PX,
    Aggregate,
    Distance,
    Groups,
    Planes,
    Search,
    gathered,
    groups,
    padded,
)
from components.tasks.despeckling.transforms import along, cosine, haar, haar_bands, plane
from components.tasks.despeckling.windows import Image, mirrored

FIRST, SECOND = Search(19, 16, stride_px=3), Search(19, 32)
HALO_PX = FIRST.reach_px + SECOND.reach_px
LEVELS = 3
LEAST_SHARE = np.float32(0.05)  # of a pixel's own amplitude: beside a bright target a shrunk group may fall below 0
BALANCE = 1.0  # the paper's gamma: how much the first estimate counts in the second distance


def sar_bm3d(intensity: Image, looks: float, first: Search = FIRST, second: Search = SECOND) -> Image:
    """The filtered intensity ``(row, col)``; NaN stays NaN, and its place is mirrored while blocks are sought."""
    return calibrated(_uncalibrated, intensity, looks, first, second)


def _uncalibrated(intensity: Image, looks: float, first: Search, second: Search) -> Image:
    valid = np.isfinite(intensity)
    if not valid.any():
        return np.full_like(intensity, np.nan)
    scale = amplitude_mean(looks)
    amplitude = np.sqrt(np.maximum(mirrored(intensity), floor_of(intensity))).astype(np.float32) / np.float32(scale)
    noisy, noise = padded(amplitude), 1 / scale**2 - 1
    basic = _first(noisy, noise, looks, first)
    filtered = _second(noisy, basic, noise, looks, second)[: intensity.shape[0], : intensity.shape[1]]
    return np.where(valid, filtered**2, np.nan).astype(np.float32)


def _first(noisy: Image, noise: float, looks: float, search: Search) -> Image:
    total, frame = Aggregate((noisy.shape[0], noisy.shape[1])), undecimated(BLOCK_PX)
    for at in groups((noisy**2, np.log(noisy)), likelihood(looks), search):
        blocks = gathered(noisy, at)
        power = (blocks**2).mean((1, 2, 3), dtype=np.float64)
        estimate, kept = _shrunk(blocks, power * noise / (1 + noise), *frame)
        total.add(estimate, 1 / kept, at)
    return np.asarray(np.maximum(total.image(), LEAST_SHARE * noisy), np.float32)


def _shrunk(
    blocks: Groups, noise: NDArray[np.float64], analysis: NDArray[np.float32], synthesis: NDArray[np.float32]
) -> tuple[Groups, NDArray[np.float64]]:
    """Groups whose bands are shrunk to the energy beyond that of noise, and the share of noise that is left."""
    count, members = blocks.shape[:2]
    spectrum = along(blocks.reshape(count, members, -1) @ analysis.T, haar(members))
    bands = spectrum.reshape(count, members, -1, BLOCK_PX**2)  # (reference, member, plane band, place)
    left = np.zeros(count)
    for depth in haar_bands(members):
        part = bands[:, depth]
        energy = (part**2).mean((1, 3), dtype=np.float64)
        gain = np.maximum(0, 1 - noise[:, None] / np.maximum(energy, 1e-30))
        if depth.start == 0:
            gain[:, -1] = 1  # the mean of the group
        part *= gain[:, None, :, None].astype(np.float32)
        left += (depth.stop - depth.start) * (gain**2).mean(1)
    smooth = along(spectrum, np.ascontiguousarray(haar(members).T))
    return (smooth @ synthesis.T).reshape(blocks.shape), left / members


def _second(noisy: Image, basic: Image, noise: float, looks: float, search: Search) -> Image:
    total, here = Aggregate((noisy.shape[0], noisy.shape[1])), cosine(BLOCK_PX)
    planes = (noisy**2, np.log(noisy), basic, np.float32(1) / basic)
    for at in groups(planes, likelihood_and_estimate(looks), search):
        blocks, guess = gathered(noisy, at), gathered(basic, at)
        depth = haar(blocks.shape[1])
        variance = ((blocks - guess) ** 2).mean((1, 2, 3), keepdims=True)
        power = along(plane(guess, here), depth) ** 2
        gain = power / (power + variance)
        gain[:, 0, 0, 0] = 1
        spectrum = along(plane(blocks, here), depth) * gain
        estimate = plane(along(spectrum, np.ascontiguousarray(depth.T)), here.T)
        total.add(estimate, 1 / (gain**2).mean((1, 2, 3), dtype=np.float64), at)
    return np.asarray(np.maximum(total.image(), LEAST_SHARE * noisy), np.float32)


def likelihood(looks: float) -> Distance:
    """The distance of step 1 for planes of intensity and log amplitude."""
    weight = np.float32(2 * looks - 1 if looks > 1 else 1)

    def distance(one: Planes, other: Planes) -> NDArray[np.float32]:
        return np.asarray(weight * (np.log(one[0] + other[0]) - one[1] - other[1]), np.float32)

    return distance


def likelihood_and_estimate(looks: float) -> Distance:
    """The distance of step 2: that of step 1, and the relative distance of the first estimates and their inverses."""
    noisy, weight = likelihood(looks), np.float32(BALANCE * looks)

    def distance(one: Planes, other: Planes) -> NDArray[np.float32]:
        apart = one[2] - other[2]
        return noisy(one, other) + weight * apart * apart * one[3] * other[3]

    return distance


@cache
def undecimated(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Analysis (band and place, pixel) and synthesis matrix of the periodic undecimated Haar transform of blocks.

    Rows of the analysis have norm 1, so white noise keeps its variance in every band; synthesis after analysis is
    the identity. Bands are three orientations a level from fine to coarse, then the smooth rest.
    """
    rows, weights = [], []
    for level in range(1, LEVELS + 1):
        low, high = (_filters(size, level, sign) for sign in (1, -1))
        rows += [np.kron(low, high), np.kron(high, low), np.kron(high, high)]
        weights += [4.0**-level] * 3
    rows.append(np.kron(low, low))
    weights.append(4.0**-LEVELS)
    analysis = np.concatenate(rows)
    synthesis = analysis.T * np.repeat(weights, size**2)
    return analysis.astype(np.float32), np.ascontiguousarray(synthesis, dtype=np.float32)


def _filters(size: int, level: int, sign: int) -> NDArray[np.float64]:
    """All shifts of the Haar filter of a level, ``sign`` 1 smooth and -1 detail, (place, sample)."""
    half = 2 ** (level - 1)
    first = np.zeros(size)
    first[:half], first[half : 2 * half] = 1, sign
    return np.asarray(np.stack([np.roll(first, place) for place in range(size)]) / np.sqrt(2 * half))
