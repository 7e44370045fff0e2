"""What `swath predict` makes of a flow beside the flow itself: metres on the ground, residuals of check points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.errors import BadParams

if TYPE_CHECKING:
    from components.raster.grid import Grid


@dataclass(frozen=True)
class OfFlow:
    """The file of the flow, the table of check points, and the file for metres; None for what nobody asked for.

    Raises:
        BadParams: if points or metres are asked for without a flow.
    """

    flow: Path | None
    points: Path | None
    metres: Path | None

    def __post_init__(self) -> None:
        for name, given in (("--points", self.points), ("--metres", self.metres)):
            if given and not self.flow:
                raise BadParams(name, "is read from the flow; say --flow FILE too")

    def require(self, path: Path, grid: Grid) -> None:
        """Nothing where all that is asked for can be said of a flow on the grid of the file at ``path``.

        Raises:
            BadScene: if metres are asked for and the grid has no CRS.
            BadParams: if the file of points does not hold four numbers a line.
        """
        from components.tasks.coregistration.metres import require_metres

        if self.metres:
            require_metres(path, grid)
        if self.points:
            _table(self.points)

    def told(self) -> Iterator[str]:
        """Lines to print once the flow is written; writes the metres."""
        from components.tasks.coregistration.metres import write_metres

        if self.flow and self.metres:
            write_metres(self.flow, self.metres)
            yield f"{self.metres}: the flow in metres to the east and north"
        if self.flow and self.points:
            yield from _residuals(_table(self.points), self.flow)


def _table(points: Path) -> NDArray[np.float64]:
    try:
        table = np.loadtxt(points, ndmin=2)
    except (ValueError, OSError) as error:
        raise BadParams(points, f"not a table of numbers: {error}") from error
    if table.shape[1] != 4:
        found = f"found {table.shape[1]} columns"
        raise BadParams(points, f"expected x y in the first scene and x y in the second, {found}")
    return table


def _residuals(table: NDArray[np.float64], flow: Path) -> Iterator[str]:
    """How far check points lie from where the flow sends them, before and after."""
    from components.metrics.flow import check_point_scores, check_points
    from components.raster.io import read_scene

    found = read_scene(flow).array
    for word, field in (("before", np.zeros_like(found)), ("after", found)):
        scores = check_point_scores(check_points(field, table))
        shares = ", ".join(f"{scores[f'within_{px}px'] or 0:.0%} within {px} px" for px in (1, 2, 3))
        yield f"{len(table)} check points {word}: RMSE {scores['rmse'] or 0:.2f} px, {shares}"
