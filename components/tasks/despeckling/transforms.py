"""Small orthonormal transforms and tight frames as matrices, so that whole groups are transformed by one product."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

Matrix = NDArray[np.float32]


@cache
def cosine(size: int) -> Matrix:
    """The orthonormal discrete cosine transform (frequency, sample)."""
    return np.ascontiguousarray(dct(np.eye(size), axis=0, norm="ortho"), dtype=np.float32)


@cache
def haar(size: int) -> Matrix:
    """The orthonormal Haar transform (coefficient, sample) of a power of two; the mean stands first."""
    matrix = np.ones((1, 1))
    while len(matrix) < size:
        coarse, fine = np.kron(matrix, [1, 1]), np.kron(np.eye(len(matrix)), [1, -1])
        matrix = np.vstack([coarse, fine]) / np.sqrt(2)
    return matrix.astype(np.float32)


def haar_bands(size: int) -> list[slice]:
    """The coefficients of each scale of `haar`, the mean first."""
    bands, start = [slice(0, 1)], 1
    while start < size:
        bands.append(slice(start, 2 * start))
        start *= 2
    return bands


def plane(groups: NDArray[np.float32], matrix: Matrix) -> NDArray[np.float32]:
    """Blocks (..., row, col) transformed along both axes; the transpose of an orthonormal matrix is the way back."""
    return np.asarray(matrix @ groups @ matrix.T)


def along(groups: NDArray[np.float32], matrix: Matrix) -> NDArray[np.float32]:
    """The transform along the members of groups (reference, member, ...)."""
    shape = groups.shape
    return (matrix @ groups.reshape(shape[0], shape[1], -1)).reshape(shape)
