"""Small pictures for pages: enlarged without blur, with outlines, as PNG inside the page."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from components.pictures.panels import Image
from components.pictures.picture import Colour


def enlarged(image: Image, factor: int) -> Image:
    """Every pixel as a square of ``factor`` pixels."""
    return np.asarray(image.repeat(factor, axis=0).repeat(factor, axis=1))


def outlined(image: Image, codes: NDArray[np.integer] | NDArray[np.bool_], colour: Colour, factor: int = 1) -> Image:
    """A copy of an enlarged image with lines where neighbouring ``codes`` ``(row, col)`` differ.

    ``factor`` is how much the image is larger than the codes; the line runs inside the pixels on both sides.
    """
    large = codes.repeat(factor, axis=0).repeat(factor, axis=1)
    line = np.zeros(large.shape, bool)
    down, right = large[1:] != large[:-1], large[:, 1:] != large[:, :-1]
    line[1:] |= down
    line[:-1] |= down
    line[:, 1:] |= right
    line[:, :-1] |= right
    painted = image.copy()
    painted[line] = np.array(colour, np.float32) / 255
    return painted


def data_uri(image: Image) -> str:
    """The image ``(row, col, 3)`` in 0..1 as a PNG that a page holds in itself."""
    buffer = BytesIO()
    imsave(buffer, (np.clip(image, 0, 1) * 255).round().astype(np.uint8), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
