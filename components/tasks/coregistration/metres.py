"""A flow on disk in metres on the ground."""

from __future__ import annotations

from pathlib import Path

from components.errors import BadScene
from components.raster.grid import Grid, Window
from components.raster.io import describe, read_scene
from components.raster.scene import Scene
from components.raster.streaming import CogWriter
from components.raster.warping import flow_in_metres

BANDS = ("east", "north")
WINDOW_PX = 1024


def require_metres(path: Path, grid: Grid) -> None:
    """Nothing where pixels of the grid have a size on the ground.

    Raises:
        BadScene: if the grid has no CRS.
    """
    if grid.crs is None:
        raise BadScene(path, "has no CRS, so a flow on it has no metres", "leave the metres out, or give it a CRS")


def write_metres(flow: Path, out: Path) -> None:
    """A COG with the bands `BANDS` in metres beside a flow in pixels; as that, NaN where nothing is known.

    Read and written by window, so the flow may have any size; tags are those of the flow.

    Raises:
        BadScene: if the flow has no CRS.
        OSError: if the disk is full; nothing is left behind then.
    """
    grid = describe(flow).grid
    require_metres(flow, grid)
    rows, cols = grid.shape
    with CogWriter(out, grid, _metres(flow, Window(0, 0, 1, 1))) as writer:
        for row in range(0, rows, WINDOW_PX):
            for col in range(0, cols, WINDOW_PX):
                window = Window(row, col, min(WINDOW_PX, rows - row), min(WINDOW_PX, cols - col))
                writer.write(_metres(flow, window), window)
        writer.finish()


def _metres(flow: Path, window: Window) -> Scene:
    read = read_scene(flow, window=window)
    values = flow_in_metres(read.array, read.grid)
    return Scene(values, read.grid, BANDS, "m", float("nan"), read.acquired, tags=read.tags)
