"""Real pairs of a radar and an optical image: how they become scenes that any method takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from PIL import Image

from components.raster.grid import Grid
from components.raster.io import read_scene
from components.raster.scene import Scene, Unit
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.pair import MOVING, REFERENCE

RADAR, OPTICAL = "radar", "optical"  # which encoder of a learnt method sees an image
FLOODS, SHUGUANG = "landcover/sen1floods11_sample/sample", "change_sar/pairs"
OPTICAL_BANDS = ("B02", "B03", "B04", "B08")


@dataclass(frozen=True)
class AlignedPair:
    """Two scenes on one grid that show the same ground, as well as their makers could place them."""

    name: str
    scenes: Mapping[str, Scene]
    options: MethodOptions


def aligned_pairs(data: Path) -> tuple[AlignedPair, ...]:
    """The held-out aligned pairs, radar as reference. No training reads them."""
    pairs = {"Sen1Floods11, Spain": _floods(data / FLOODS), "shuguang": _shuguang(data / SHUGUANG)}
    return tuple(AlignedPair(name, scenes, any_options(scenes, REFERENCE)) for name, scenes in pairs.items())


def _floods(folder: Path) -> dict[str, Scene]:
    """Intensity from decibels, reflectance from its 10,000th parts."""
    decibels, optical = (read_scene(next((folder / role).glob("*.tif"))) for role in ("S1", "S2"))
    intensity = np.power(10, decibels.array / 10).astype(np.float32)
    chosen = optical.select(OPTICAL_BANDS)
    reflectance = chosen.array.astype(np.float32) * np.float32(1e-4)
    nodata = float("nan")
    return {
        REFERENCE: Scene(intensity, decibels.grid, decibels.bands, "intensity", nodata),
        MOVING: Scene(reflectance, decibels.grid, OPTICAL_BANDS, "reflectance", nodata),
    }


def _shuguang(folder: Path) -> dict[str, Scene]:
    """Pictures of 8 bits; three equal channels of the radar are one."""
    radar, optical = (np.asarray(Image.open(folder / f"shuguang_{number}.bmp")) for number in (1, 2))
    return {REFERENCE: scene_of(radar[..., :1], "amplitude"), MOVING: scene_of(optical, "digital_number")}


def scene_of(image: NDArray[Any], unit: Unit) -> Scene:
    """An image ``(row, col)`` or ``(row, col, band)`` as a scene without a place on the ground."""
    layers = np.atleast_3d(image).transpose(2, 0, 1).astype(np.float32)
    bands = tuple(f"layer-{index}" for index in range(len(layers)))
    return Scene(layers, Grid(None, Affine.identity(), layers.shape[1:]), bands, unit, float("nan"))


def any_options(scenes: Mapping[str, Scene], radar: str | None) -> MethodOptions:
    """Options that any method takes; ``radar`` is the role of the radar image, if one is."""
    sections = {
        role: {"sensor": RADAR if role == radar else OPTICAL, "bands": scene.bands, "unit": scene.unit}
        for role, scene in scenes.items()
    }
    return MethodOptions.model_validate({"name": "gefolki", **sections})
