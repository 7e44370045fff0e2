"""A Cloud Optimised GeoTIFF written window by window: memory holds a few blocks, whatever the size of the raster."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from components.raster.assembly import assemble
from components.raster.atomic import PART, atomic
from components.raster.cog import (
    BLOCK_PX,
    Encoding,
    as_it_is,
    describe_scene,
    profile_of,
    quiet,
    write_class_names,
)
from components.raster.encoding import encode
from components.raster.grid import Grid, Window
from components.raster.handles import handles
from components.raster.io import may_hold_data
from components.raster.scene import Scene

THREADS = str(min(os.cpu_count() or 1, 4))  # that compress; more do not help one writer


class CogWriter:
    """A raster over ``grid`` in the making; it appears at ``path`` whole, by `finish`, or not at all.

    ``like`` says what is written: type, bands, unit, nodata, classes, tags (its pixels do not matter). What is never
    written is nodata (0 where there is none) and takes neither time nor space. Windows may come in any order; those
    that start on multiples of 512 px are written fastest. For one thread.

    With ``adding`` windows may also be added to what stands there; then values lie on disk as they are until the end.
    """

    def __init__(
        self, path: Path, grid: Grid, like: Scene, encoding: Encoding | None = None, *, adding: bool = False
    ) -> None:
        self.path, self.grid, self._like = path, grid, like
        self._encoding = encoding or as_it_is(like.array.dtype, like.nodata, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent))
        self._full, self._sums = self._folder / "0.tif", self._folder / "sums.tif"
        with _room(path):
            self._dataset = self._create(self._full, grid)
            describe_scene(self._dataset, like, self._encoding)
            self._adding = self._create_sums() if adding else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, scene: Scene, window: Window) -> None:
        """The pixels of one window.

        Raises:
            BadScene: if a value does not fit the stored type, or would be mistaken for nodata.
            OSError: if the disk is full.
        """
        stored = encode(scene.array, scene.nodata, self._encoding, self.path) if self._adding is None else scene.array
        with _room(self.path):
            (self._adding or self._dataset).write(stored, window=_place(window))

    def add(self, scene: Scene, window: Window) -> None:
        """The pixels of one window added to those that stand there; where there are none yet, none come to be.

        Raises:
            OSError: if the disk is full.
        """
        assert self._adding is not None, "a writer that adds is made with adding=True"
        with _room(self.path):
            there = self._adding.read(window=_place(window))
            self._adding.write(there + scene.array, window=_place(window))

    def finish(self) -> None:
        """Overviews made and the file moved to its place.

        Raises:
            OSError: if the disk is full; nothing is left behind then.
        """
        with _room(self.path):
            if self._adding is not None:
                self._adding.close()
                self._copy_sums()
            self._dataset.close()
            pictures = [self._full]
            with atomic(self.path) as temporary:
                while max(shape := _shape(pictures[-1])) > BLOCK_PX:
                    pictures.append(self._halved(pictures[-1], shape, len(pictures)))
                assemble(pictures, temporary)
        write_class_names(self.path, self._like.classes)
        self.close()

    def close(self) -> None:
        """Everything that is not finished is removed."""
        for dataset in (self._dataset, self._adding):
            with suppress(RasterioError):
                if dataset is not None:
                    dataset.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _create(self, path: Path, grid: Grid) -> Any:  # noqa: ANN401 - rasterio ships no types
        handles()  # the options of this thread
        profile = profile_of(self._like, grid, self._encoding)
        profile |= {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "BIGTIFF": "YES"}
        profile |= {"compress": "DEFLATE", "predictor": 3 if "float" in self._encoding.dtype else 2}
        profile |= {"SPARSE_OK": True, "NUM_THREADS": THREADS, "ENDIANNESS": "LITTLE"}
        with quiet():
            return rasterio.open(path, "w", **profile)

    def _create_sums(self) -> Any:  # noqa: ANN401
        handles()
        plain = Encoding(self._like.array.dtype.name, nodata=self._like.nodata)
        profile = profile_of(self._like, self.grid, plain) | {"tiled": True, "SPARSE_OK": True, "BIGTIFF": "YES"}
        profile |= {"blockxsize": BLOCK_PX, "blockysize": BLOCK_PX}
        with quiet():
            return rasterio.open(self._sums, "w+", **profile)

    def _copy_sums(self) -> None:
        with quiet(), rasterio.open(self._sums) as sums:
            for block in _blocks(self.grid.shape):
                if may_hold_data(sums, block):
                    values = sums.read(window=_place(block))
                    stored = encode(values, self._like.nodata, self._encoding, self.path)
                    self._dataset.write(stored, window=_place(block))

    def _halved(self, source: Path, shape: tuple[int, int], number: int) -> Path:
        """The picture at half the resolution, block by block; what is empty is not looked at."""
        target = self._folder / f"{number}.tif"
        smaller = (-(-shape[0] // 2), -(-shape[1] // 2))
        method = Resampling.mode if self._like.unit == "class" else Resampling.average
        with quiet(), rasterio.open(source) as fine:
            coarse = self._create(target, replace(self.grid, shape=smaller))
            try:
                describe_scene(coarse, replace(self._like, tags={}), self._encoding)
                for block in _blocks(smaller):
                    ground = Window(2 * block.row, 2 * block.col, 2 * block.rows, 2 * block.cols).within_shape(shape)
                    if may_hold_data(fine, ground):
                        size = (block.rows, block.cols)
                        pixels = fine.read(window=_place(ground), out_shape=(fine.count, *size), resampling=method)
                        coarse.write(pixels, window=_place(block))
            finally:
                coarse.close()
        return target


def _blocks(shape: tuple[int, int]) -> Iterator[Window]:
    for row in range(0, shape[0], BLOCK_PX):
        for col in range(0, shape[1], BLOCK_PX):
            yield Window(row, col, BLOCK_PX, BLOCK_PX).within_shape(shape)


def _place(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col, window.row, window.cols, window.rows)


def _shape(path: Path) -> tuple[int, int]:
    with quiet(), rasterio.open(path) as dataset:
        return dataset.height, dataset.width


@contextmanager
def _room(path: Path) -> Iterator[None]:
    """What rasterio says of a disk that is full, as an OSError that names the folder."""
    try:
        yield
    except RasterioError as error:
        raise OSError(f"{path.parent} cannot hold the file ({error}); is the disk full?") from error
