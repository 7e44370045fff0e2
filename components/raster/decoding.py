"""Files from outside, parsed by a warm pool of limited child processes: what breaks a parser breaks a child."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from components.errors import ServiceUnavailable
from components.raster.child import Reading
from components.raster.children import Children
from components.raster.header import SceneInfo
from components.raster.laundering import write_parts
from components.raster.limits import ChildLimits, OpenLimits
from components.raster.opening import private_copy
from components.raster.scene import Array, Scene, Unit

__all__ = ["ChildLimits", "DecoderPool", "OpenLimits"]

TRIES = 3  # processes that are found dead when they are handed a file; another one gets it then


class DecoderPool:
    """``workers`` child processes that open files from outside; any number of threads may use it at once.

    A thread waits where no process is free. They start in the background, are replaced after some files (the next
    one starts before the old one ends) and when they die; they end with the pool, or with this process.
    """

    def __init__(self, limits: OpenLimits | None = None, child: ChildLimits | None = None, *, workers: int = 2) -> None:
        self.limits, self.child = limits or OpenLimits(), child or ChildLimits()
        self._children = Children(self.limits, self.child, workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, source: bytes | Path, *, name: str, decode: bool = True) -> Scene:
        """The scene in bytes from outside (or a file of them), as `read_scene` gives it; infinite numbers are NaN.

        ``name`` stands in messages and is never used as a path.

        Raises:
            BadScene: if the file is refused or damaged, or its decoder was ended by it.
            ServiceUnavailable: if no process can be had.
        """
        with self._reading(source, name, pixels=True, decode=decode) as reading:
            return _scene(reading, decode)

    def describe(self, source: bytes | Path, *, name: str) -> SceneInfo:
        """What a file says of itself, after the same checks; no pixel is decoded.

        Raises:
            BadScene, ServiceUnavailable: see `open`.
        """
        with self._reading(source, name, pixels=False, decode=True) as reading:
            return reading.info

    def launder(self, source: bytes | Path, target: Path, *, name: str) -> SceneInfo:
        """A file from outside rewritten as a GeoTIFF of our own: same numbers, mask and meaning, 512 px tiles.

        Only numbers leave the child; every byte of ``target`` is written by this process, which holds one part of at
        most about 128 MB at a time. ``target`` is complete or not there.

        Raises:
            BadScene, ServiceUnavailable: see `open`.
            OSError: if the target cannot be written.
        """
        with self._reading(source, name, pixels=True, decode=False) as reading:
            write_parts(target, reading)
            return reading.info

    @property
    def network(self) -> bool | None:
        """False where no process has a network, True where the kernel left it to one, None before any has started."""
        return self._children.network

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the processes."""
        return self._children.pids

    def close(self) -> None:
        """All processes are gone when this returns; who waits for one is told so."""
        self._children.close()

    @contextmanager
    def _reading(self, source: bytes | Path, name: str, *, pixels: bool, decode: bool) -> Iterator[Reading]:
        with private_copy(source, self.limits, name) as file, ExitStack() as stack:
            yield self._asked(stack, file, name, pixels=pixels, decode=decode)

    def _asked(self, stack: ExitStack, file: BinaryIO, name: str, *, pixels: bool, decode: bool) -> Reading:
        for _ in range(TRIES):
            child = self._children.take()
            stack.callback(self._children.give_back, child)
            try:
                return stack.enter_context(child.reading(file, name, pixels=pixels, decode=decode))
            except BrokenPipeError:  # it had died before: not the doing of this file
                continue
        raise ServiceUnavailable("decoder processes keep dying; look at the memory of the machine and try again")


def _scene(reading: Reading, decode: bool) -> Scene:
    info, array = reading.info, None
    for part, pixels in reading.parts():
        if array is None:  # allocated once the first pixels are there
            array = _whole(info, pixels)
        rows, cols = part.window.slices
        array[part.first : part.last, rows, cols] = pixels
    if array is None:
        raise ValueError("a scene without a part")
    if not decode:
        for _ in reading.mask() if info.masked else ():
            pass
    is_decoded = decode and info.unit != "class"
    unit: Unit = "digital_number" if info.scaled and not is_decoded else info.unit
    nodata = float("nan") if is_decoded else info.nodata
    return Scene(array, info.grid, info.bands, unit, nodata, info.acquired, info.classes, info.tags)


def _whole(info: SceneInfo, first: Array) -> Array:
    array: Array = np.empty((len(info.bands), *info.grid.shape), first.dtype)
    return array
