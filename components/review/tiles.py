"""Chips as PNG pictures with a chosen stretch."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from components.pictures.panels import Limits, stretch, stretch_limits
from components.raster.cog import quiet
from components.raster.scene import Scene

NATURAL = ("B04", "B03", "B02")


@dataclass(frozen=True)
class Stretch:
    """Bands shown as red, green, blue (or one as grey) and the values shown as black and white.

    Without ``limits`` they are the 2nd and 98th percentile of the scene's first image, for all its images alike, so
    that a difference between dates is one on the ground.
    """

    bands: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    def bands_of(self, scene: Scene) -> tuple[str, ...]:
        """The bands to show: those named, or natural colours, or the first three, or the first."""
        if self.bands:
            return self.bands
        if set(NATURAL) <= set(scene.bands):
            return NATURAL
        return scene.bands[:3] if len(scene.bands) >= 3 else scene.bands[:1]

    def limits_of(self, scene: Scene, bands: Sequence[str]) -> Limits:
        """Darkest and brightest value of each band."""
        return [self.limits] * len(bands) if self.limits else stretch_limits(scene, bands)


def png(scene: Scene, bands: Sequence[str], limits: Limits, zoom: int) -> bytes:
    """The scene as PNG, every pixel ``zoom`` x ``zoom`` of the picture's; the same scene gives the same bytes."""
    shown = np.round(stretch(scene, bands, limits) * 255).astype(np.uint8)
    enlarged: NDArray[np.uint8] = np.repeat(np.repeat(shown, zoom, axis=0), zoom, axis=1)
    rows, cols, count = enlarged.shape
    profile = {"driver": "PNG", "height": rows, "width": cols, "count": count, "dtype": "uint8"}
    with quiet(), MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(np.moveaxis(enlarged, -1, 0))
        return bytes(memory.getbuffer())


def data_uri(picture: bytes) -> str:
    """A PNG within a URI: a task that holds it needs no server of pictures."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
