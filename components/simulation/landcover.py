"""Land cover codes of the sandbox, and what may happen where."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from components.raster.scene import Class


class Cover(IntEnum):
    """What covers a pixel of the territory."""

    FIELD = 0
    HEATH = 1
    BROADLEAF = 2
    CONIFER = 3
    RIVER = 4
    LAKE = 5  # the basin: dry or wet, as the water level says
    GARDEN = 6
    BUILDING = 7
    ROAD = 8
    TRACK = 9
    CLEARCUT = 10


FOREST = (Cover.BROADLEAF, Cover.CONIFER)
BURNABLE = (*FOREST, Cover.HEATH)
OPEN = (Cover.FIELD, Cover.HEATH)
BUILT_UP = (Cover.GARDEN, Cover.BUILDING, Cover.ROAD, Cover.TRACK)
BROAD_CLASSES = (
    Class(0, "other", (190, 170, 120)),  # heath and clear-cuts
    Class(1, "fields", (240, 215, 100)),
    Class(2, "forest", (40, 110, 50)),
    Class(3, "built-up", (200, 60, 60)),
    Class(4, "water", (60, 120, 200)),
)
"""What a sensor of 10 m pixels tells apart: the cover that scores are broken down by."""
_BROAD = ((1, (Cover.FIELD,)), (2, FOREST), (3, BUILT_UP), (4, (Cover.RIVER, Cover.LAKE)))


def among(cover: NDArray[np.uint8], kinds: tuple[Cover, ...]) -> NDArray[np.bool_]:
    """True ``(row, col)`` where the cover is one of ``kinds``."""
    table = np.zeros(len(Cover), dtype=bool)
    table[list(kinds)] = True
    return np.asarray(table[cover])


def broad(cover: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes of `BROAD_CLASSES` ``(row, col)`` for codes of `Cover`."""
    table = np.zeros(len(Cover), dtype=np.uint8)
    for code, kinds in _BROAD:
        table[list(kinds)] = code
    return np.asarray(table[cover])
