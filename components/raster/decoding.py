"""Files from outside, parsed by a warm pool of limited child processes: what breaks a parser breaks a child."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from components.errors import ServiceUnavailable
from components.raster.child import Child, Reading
from components.raster.header import SceneInfo
from components.raster.laundering import write_parts
from components.raster.limits import ChildLimits, OpenLimits
from components.raster.opening import private_copy
from components.raster.scene import Array, Scene, Unit

__all__ = ["ChildLimits", "DecoderPool", "OpenLimits"]

TRIES = 3  # processes that are found dead when they are handed a file; another one gets it then
PAUSE_S = 1.0  # before processes that could not be started are tried again


class DecoderPool:
    """``workers`` child processes that open files from outside; any number of threads may use it at once.

    A thread waits where no process is free. They start in the background, are replaced after some files (the next
    one starts before the old one ends) and when they die; they end with the pool, or with this process.
    """

    def __init__(self, limits: OpenLimits | None = None, child: ChildLimits | None = None, *, workers: int = 2) -> None:
        self.limits, self.child = limits or OpenLimits(), child or ChildLimits()
        self._workers = workers
        self._changed = threading.Condition()
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._problem: ServiceUnavailable | None = None
        self._closed = False
        # One thread starts all of them and lives as long as they do: the kernel ends a child with that thread.
        self._starter = threading.Thread(target=self._keep_started, name="decoders", daemon=True)
        self._starter.start()

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
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._problem or self._closed, self.child.start_s)
            return any(child.network for child in self._all) if self._idle else None

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the processes."""
        with self._changed:
            return tuple(child.pid for child in self._all)

    def close(self) -> None:
        """All processes are gone when this returns; who waits for one is told so."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._starter.join()

    @contextmanager
    def _reading(self, source: bytes | Path, name: str, *, pixels: bool, decode: bool) -> Iterator[Reading]:
        with private_copy(source, self.limits, name) as file, ExitStack() as stack:
            yield self._asked(stack, file, name, pixels=pixels, decode=decode)

    def _asked(self, stack: ExitStack, file: BinaryIO, name: str, *, pixels: bool, decode: bool) -> Reading:
        for _ in range(TRIES):
            child = self._taken()
            stack.callback(self._give_back, child)
            try:
                return stack.enter_context(child.reading(file, name, pixels=pixels, decode=decode))
            except BrokenPipeError:  # it had died before: not the doing of this file
                continue
        raise ServiceUnavailable("decoder processes keep dying; look at the memory of the machine and try again")

    def _taken(self) -> Child:
        ends = time.monotonic() + self.child.start_s
        with self._changed:
            while True:
                self._drop_dead()
                if self._closed:
                    raise ServiceUnavailable("the decoders are closed; start the service again")
                if self._idle:
                    return self._idle.pop()
                if self._problem:
                    raise self._problem
                if not self._changed.wait(ends - time.monotonic()) and time.monotonic() >= ends:
                    raise ServiceUnavailable(f"no decoder was free within {self.child.start_s:g} s; try again")

    def _give_back(self, child: Child) -> None:
        with self._changed:
            if child.alive:
                self._idle.append(child)
            else:
                child.end()
            self._retire()
            self._drop_dead()
            self._changed.notify_all()

    def _drop_dead(self) -> None:
        for child in [each for each in self._idle if not each.alive]:
            child.end()
            self._idle.remove(child)
        if any(not child.alive for child in self._all):
            self._all = {child for child in self._all if child.alive}
            self._changed.notify_all()  # the starter has work

    def _retire(self) -> None:
        """Ends a process that has served long enough and is idle, once there is another in its place."""
        for child in [each for each in self._idle if self._is_tired(each)]:
            if len(self._all) > self._workers:
                self._idle.remove(child)
                self._all.remove(child)
                child.end()

    def _is_tired(self, child: Child) -> bool:
        return child.served >= self.child.files

    def _missing(self) -> int:
        self._drop_dead()
        return self._workers - sum(not self._is_tired(child) for child in self._all)

    def _keep_started(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._missing() > 0)
                if self._closed:
                    break
                missing = self._missing()
            started = [Child(self.limits, self.child) for _ in range(missing)]  # side by side
            for child in started:
                self._welcome(child)
        with self._changed:
            for child in self._all:
                child.kill()
            for child in self._idle:
                child.end()  # the others are ended by the threads that use them

    def _welcome(self, child: Child) -> None:
        try:
            child.await_ready()
        except ServiceUnavailable as error:
            with self._changed:
                self._problem = error
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed, PAUSE_S)
            return
        with self._changed:
            self._problem = None
            self._all.add(child)
            self._idle.append(child)
            self._retire()
            self._changed.notify_all()


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
