"""Where the results of tiles come together: rasters by their place, features by the tile that they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from components.inference.method import Outputs
from components.raster.grid import Grid, Window
from components.raster.scene import Features, Scene


class Canvas:
    """Outputs in the making: whole rasters that tiles are pasted into, and features tile by tile."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._scenes: dict[str, Scene] = {}
        self._features: dict[str, list[Features]] = {}

    @property
    def can_stay_empty(self) -> bool:
        """True where every raster output is known and has a nodata value for what is never pasted."""
        started = bool(self._scenes or self._features)
        return started and all(scene.nodata is not None for scene in self._scenes.values())

    @property
    def outputs(self) -> Outputs:
        """What was pasted so far; nodata (0 where there is none) elsewhere."""
        return {**self._scenes, **{name: _joined(parts) for name, parts in self._features.items()}}

    def paste(self, outputs: Outputs, core: Window, padded: Window) -> None:
        """Adds the ``core`` of outputs that lie on the grid of ``padded``.

        Raises:
            GridMismatch: if an output lies elsewhere.
            ValueError: if an output changes its type, bands or unit from tile to tile.
        """
        inside = core.within(padded)
        for name, output in outputs.items():
            if isinstance(output, Features):
                self._features.setdefault(name, []).append(_within(output, self.grid.crop(core)))
                continue
            output.grid.require_same(self.grid.crop(padded), f"output {name} must lie on the grid of the inputs")
            if name not in self._scenes:
                self._scenes[name] = _blank(output, self.grid)
            _require_same_kind(name, self._scenes[name], output)
            rows, cols = core.slices
            self._scenes[name].array[:, rows, cols] = output.crop(inside).array


def _blank(like: Scene, grid: Grid) -> Scene:
    """A scene of that kind over the whole grid, filled with its nodata (0 where it has none)."""
    fill = 0 if like.nodata is None else like.nodata
    array = np.full((len(like.bands), *grid.shape), fill, dtype=like.array.dtype)
    return like.with_array(array, grid=grid)


def _require_same_kind(name: str, first: Scene, output: Scene) -> None:
    kinds = [(scene.array.dtype, scene.bands, scene.unit) for scene in (first, output)]
    if kinds[0] != kinds[1]:  # pasting would truncate or mislabel in silence
        raise ValueError(f"output {name} changes between tiles: {kinds[0]}, then {kinds[1]}")


def _within(features: Features, grid: Grid) -> Features:
    """Those whose representative point lies in the grid: what two tiles both found counts once."""
    inverse = ~grid.transform
    points = [each.representative_point() for each in features.geometries]
    places = [cast("tuple[float, float]", inverse @ (point.x, point.y)) for point in points]
    keep = [0 <= row < grid.shape[0] and 0 <= col < grid.shape[1] for col, row in places]
    chosen = tuple(each for each, kept in zip(features.geometries, keep, strict=True) if kept)
    return Features(
        chosen, features.crs, {name: column[np.array(keep, bool)] for name, column in features.table.items()}
    )


def _joined(parts: Sequence[Features]) -> Features:
    geometries = tuple(geometry for part in parts for geometry in part.geometries)
    table = {name: np.concatenate([part.table[name] for part in parts]) for name in parts[0].table}
    return Features(geometries, parts[0].crs, table)
