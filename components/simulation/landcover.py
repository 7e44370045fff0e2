"""Land cover codes of the sandbox, and what may happen where."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


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


def among(cover: NDArray[np.uint8], kinds: tuple[Cover, ...]) -> NDArray[np.bool_]:
    """True ``(row, col)`` where the cover is one of ``kinds``."""
    table = np.zeros(len(Cover), dtype=bool)
    table[list(kinds)] = True
    return np.asarray(table[cover])
