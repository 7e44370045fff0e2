"""What a prediction on disk looks like: the middle of the scene, drawn as the reports of its task draw it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.inference.rasters import Bands, Rasters, Readable, grid_of
from components.pictures.figures import save_picture
from components.raster.align import Resampling
from components.raster.grid import Window
from components.raster.io import read_scene
from components.tasks.seam import Sample, Task

SIDE_PX = 512  # a panel is drawn some 300 px wide: more pixels would hide what a mosaic must show


def preview(
    task: Task,
    inputs: Mapping[str, Readable],
    outputs: Mapping[str, Path],
    path: Path,
    *,
    title: str = "",
    bands: Bands | None = None,
    resampling: Mapping[str, Resampling] | None = None,
) -> Window:
    """A PNG of the middle `SIDE_PX` x `SIDE_PX` pixels at full resolution; answers where they lie.

    ``inputs``, ``bands`` and ``resampling`` are those of the prediction, ``outputs`` the files of its rasters by name:
    all that the task draws.

    Raises:
        BadScene: if a file cannot be read.
    """
    resampling = resampling or {}
    grid = grid_of({name: each for name, each in inputs.items() if name not in resampling})
    rows, cols = (min(side, SIDE_PX) for side in grid.shape)
    window = Window((grid.shape[0] - rows) // 2, (grid.shape[1] - cols) // 2, rows, cols)
    given = Rasters(dict(inputs), dict(bands or {}), grid, resampling).read(window)
    said = {name: read_scene(file, window=window) for name, file in outputs.items()}
    save_picture(task.draw(Sample(title, title, given), said), path)
    return window
