"""What a task hands over to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]  # red, green, blue in 0..255


@dataclass(frozen=True)
class Picture:
    """Named panels of one sample, ready to draw: images (row, col, 3) in 0..1, with a caption and a legend."""

    title: str
    panels: Mapping[str, NDArray[np.float32]]
    caption: str = ""
    legend: Mapping[str, Colour] = field(default_factory=dict)
