"""Where the results of tiles go to disk: Cloud Optimised GeoTIFFs block by block, features across the seams."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

from components.inference.canvas import is_blended, parts, require_place, require_same_kind
from components.inference.joining import Joiner
from components.inference.method import Outputs
from components.inference.tiling import Tile
from components.raster.grid import Grid
from components.raster.scene import Features, Scene
from components.raster.streaming import CogWriter


class Sheets:
    """The outputs that are wanted, each at its path; they appear by `finish`, or not at all.

    ``tags`` go into every raster. Features are kept in memory.
    """

    def __init__(self, grid: Grid, wanted: Mapping[str, Path], tags: Mapping[str, str], blended: bool) -> None:
        self.grid, self._wanted, self._tags, self._blended = grid, wanted, dict(tags), blended
        self._writers: dict[str, CogWriter] = {}
        self._kinds: dict[str, Scene] = {}
        self.features: dict[str, Joiner] = {}
        self.found: tuple[str, ...] = ()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def can_stay_empty(self) -> bool:
        """True where every raster output is known and has a nodata value for what is never written."""
        return bool(self.found) and all(kind.nodata is not None for kind in self._kinds.values())

    @property
    def kinds(self) -> Mapping[str, Scene]:
        """A tile of each raster output: type, bands, unit, classes."""
        return self._kinds

    def paste(self, outputs: Outputs, tile: Tile) -> None:
        """Writes the wanted outputs, which lie on the grid of ``tile.padded``.

        Raises:
            GridMismatch: if an output lies elsewhere.
            ValueError: if an output changes its type, bands or unit from tile to tile.
            OSError: if the disk is full.
        """
        self.found = tuple(outputs)
        for name in self._wanted.keys() & outputs.keys():
            output = outputs[name]
            if isinstance(output, Features):
                self.features.setdefault(name, Joiner(self.grid)).add(output, tile)
                continue
            require_place(name, output, self.grid, tile)
            if name not in self._kinds:
                self._begin(name, output)
            require_same_kind(name, self._kinds[name], output)
            for window, pixels, added in parts(output, tile, self.grid.shape):
                scene, writer = replace(output, array=pixels, grid=self.grid.crop(window)), self._writers[name]
                (writer.add if added else writer.write)(scene, window)

    def _begin(self, name: str, output: Scene) -> None:
        kind = replace(output, tags={**output.tags, **self._tags})
        self._kinds[name] = kind
        writer = CogWriter(self._wanted[name], self.grid, kind, adding=self._blended and is_blended(output))
        self._writers[name] = self._open.enter_context(writer)

    def finish(self) -> None:
        """Every raster finished: overviews made, moved to its place.

        Raises:
            OSError: if the disk is full.
        """
        for writer in self._writers.values():
            writer.finish()
