"""How template matching looks: sizes of windows, how far they search, and what disagrees with its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class TemplateSettings:
    """Half the edge of a window, reach of the search, distance of windows, and what disagrees with its neighbours; px.

    Features are averaged over ``cell`` x ``cell`` px before they are matched, which is faster and hides noise; radius,
    reach and step are multiples of it. Where the match of a window does not agree with its neighbours, those of the
    ``wider`` radii are asked in turn: they see less detail, and something where little can be seen.

    Raises:
        ValueError: if a length is not positive or not a multiple of the cell, or if the radii do not grow.
    """

    radius: int = 32
    reach: int = 12
    step: int = 16
    outlier: float = 1.5
    cell: int = 1
    wider: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        lengths = (*self.radii, self.reach, self.step)
        if min(*lengths, self.cell) < 1 or self.outlier <= 0:
            raise ValueError(f"lengths must be positive, got {self}")
        if any(length % self.cell for length in lengths):
            raise ValueError(f"radius, reach and step must be multiples of cell, got {self}")
        if any(wide <= narrow for narrow, wide in pairwise(self.radii)):
            raise ValueError(f"wider radii must grow from the radius on, got {self}")

    @property
    def radii(self) -> tuple[int, ...]:
        """Of the windows, the first to be asked first."""
        return self.radius, *self.wider

    @property
    def in_cells(self) -> TemplateSettings:
        """The same lengths counted in cells."""
        radius, reach, step = (length // self.cell for length in (self.radius, self.reach, self.step))
        wider = tuple(each // self.cell for each in self.wider)
        return TemplateSettings(radius, reach, step, self.outlier / self.cell, wider=wider)


def reach_px(settings: TemplateSettings) -> int:
    """How far away a pixel may be that counts.

    A node sees its window and its search, and is smoothed with its five nearest neighbours to each side.
    """
    return max(settings.radii) + settings.reach + 5 * settings.step
