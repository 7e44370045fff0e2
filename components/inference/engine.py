"""Tiles from source to sink: read in threads, computed here, written in a thread, all at the same time.

Memory holds a set number of tiles, whatever the size of the raster.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Protocol

from components.errors import PredictionStopped
from components.inference.compute import Compute, Started
from components.inference.method import Arguments, Batched, Inputs, Method, Outputs
from components.inference.tiling import Layout, Tile
from components.inference.timings import Stopwatch, Timings
from components.raster.grid import Grid, Window
from components.raster.scene import Features, Scene, Stack, Value, valid_pixels

Progress = Callable[[int, int], None]  # tiles done, tiles in all
Stop = Callable[[], bool]
# Threads that read and prepare tiles: each has handles, and so a cache of blocks, of its own.
READERS = max(1, min(8, (os.cpu_count() or 1) // 2))
AHEAD = 1  # tiles, beside those of a batch and one a reader, that are read before they are needed
_PROBE = 29  # every 29th row and column tells in no time that a tile is not empty; an odd number meets no pattern


class Source(Protocol):
    """Where tiles come from. Called from several threads."""

    @property
    def grid(self) -> Grid:
        """The grid that all rasters share."""
        ...

    def read(self, window: Window) -> Inputs:
        """The inputs of a window; features whole."""
        ...

    def surely_empty(self, window: Window) -> bool:
        """True where no raster holds a pixel in the window and that is known without reading one."""
        ...


class Sink(Protocol):
    """Where tiles go to. Called from one thread."""

    def paste(self, outputs: Outputs, tile: Tile) -> None:
        """What a method said of one tile, on the grid of its padded window."""
        ...

    @property
    def can_stay_empty(self) -> bool:
        """True once outputs are known and every raster among them has a nodata value for what is never pasted."""
        ...


@dataclass(frozen=True)
class Plan:
    """How a prediction runs: the layout of its tiles, tiles a batch (None: what suits the device), reading threads."""

    layout: Layout
    batch: int | None = None
    readers: int = READERS


@dataclass(frozen=True)
class _Loaded:
    """A tile that was read: its scenes, or what a network sees of them; neither where nothing was seen."""

    tile: Tile
    scenes: Inputs | None = None
    arguments: Arguments = ()
    context: Any = None

    @property
    def empty(self) -> bool:
        return self.scenes is None and not self.arguments

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(each.shape for each in self.arguments)


def run(
    method: Method,
    source: Source,
    sink: Sink,
    plan: Plan,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Timings:
    """Every tile of the source predicted by a surveyed method and pasted into the sink.

    Tiles without a valid pixel are not predicted: they stay nodata. Only where an output knows no nodata, or where
    no tile was predicted at all, the method is asked about them too.

    Raises:
        PredictionStopped: if ``stop`` said so between two tiles.
    """
    return _Run(method, source, sink, plan, progress, stop).all()


class _Run:
    """One prediction under way."""

    def __init__(
        self, method: Method, source: Source, sink: Sink, plan: Plan, progress: Progress | None, stop: Stop | None
    ) -> None:
        self.method, self.source, self.sink, self.plan = method, source, sink, plan
        self.watch, self._progress, self._stop = Stopwatch(), progress, stop
        self.compute = Compute(method, plan.batch) if isinstance(method, Batched) else None
        self._batch = self.compute.batch if self.compute else 1
        self._total, self._done = plan.layout.count(source.grid.shape), 0

    def all(self) -> Timings:
        """Every tile, in the order of their rows."""
        empty: list[Tile] = []
        grid = self.source.grid
        with _Writer(self.sink, self.watch, 2 * self._batch) as writer:
            self._tiles(self.plan.layout.tiles(grid.shape), writer, empty)
            for tile in empty:
                if self.sink.can_stay_empty:
                    break
                self._tiles(iter([tile]), writer, None)
        return self.watch.timings(grid.shape[0] * grid.shape[1], self._total)

    def _tiles(self, tiles: Iterator[Tile], writer: _Writer, empty: list[Tile] | None) -> None:
        """The tiles predicted and handed to the writer, those that nothing was seen in put into ``empty``."""
        with closing(self._loaded(tiles, empty is not None)) as loaded:
            for each, outputs in self._predicted(self._seen(loaded, empty)):
                self.watch.predicted += 1
                writer.put(each.tile, outputs)
                self._report()
        writer.wait()

    def _seen(self, loaded: Iterable[_Loaded], empty: list[Tile] | None) -> Iterator[_Loaded]:
        for each in loaded:
            if each.empty and empty is not None:
                empty.append(each.tile)
                self._report()
            else:
                yield each

    def _predicted(self, loaded: Iterable[_Loaded]) -> Iterator[tuple[_Loaded, Callable[[], Outputs]]]:
        """Each tile with a call that gives its outputs; what a network said is told apart in the writing thread."""
        if self.compute is None:
            for each in loaded:
                with self.watch.step("compute"):
                    outputs = self.method.predict(each.scenes or {})
                yield each, partial(_itself, outputs)
            return
        under_way: deque[tuple[list[_Loaded], Started]] = deque()
        for group in chain(self._groups(loaded), [None]):
            if group:
                with self.watch.step("compute"):
                    under_way.append((group, self.compute.start([each.arguments for each in group])))
            while len(under_way) > (self.compute.ahead if group else 0):
                yield from self._told(*under_way.popleft())

    def _told(self, group: list[_Loaded], started: Started) -> Iterator[tuple[_Loaded, Callable[[], Outputs]]]:
        assert isinstance(self.method, Batched)
        with self.watch.step("compute"):
            answers = started.finish()
        for each, answer in zip(group, answers, strict=True):
            yield each, partial(self.method.decode, each.context, answer)

    def _loaded(self, tiles: Iterator[Tile], skip_empty: bool) -> Generator[_Loaded, None, None]:
        """The tiles in order, read ahead in threads; never more of them in memory than are needed soon."""
        pool = ThreadPoolExecutor(self.plan.readers, "read")
        waiting: deque[Future[_Loaded]] = deque()
        try:
            for tile in tiles:
                waiting.append(pool.submit(self._load, tile, skip_empty))
                if len(waiting) >= self._batch + AHEAD + self.plan.readers - 1:
                    yield self._next(waiting)
            while waiting:
                yield self._next(waiting)
        finally:
            pool.shutdown(cancel_futures=True)

    def _next(self, waiting: deque[Future[_Loaded]]) -> _Loaded:
        if self._stop and self._stop():
            raise PredictionStopped
        with self.watch.step("wait"):
            return waiting.popleft().result()

    def _load(self, tile: Tile, skip_empty: bool) -> _Loaded:
        with self.watch.step("read"):
            if skip_empty and self.source.surely_empty(tile.reach):
                return _Loaded(tile)
            scenes = self.source.read(tile.padded)
            if skip_empty and not has_valid(crop(scenes, tile.reach.within(tile.padded))):
                return _Loaded(tile)
            if isinstance(self.method, Batched):
                return _Loaded(tile, None, *self.method.encode(scenes))
            return _Loaded(tile, scenes)

    def _groups(self, loaded: Iterable[_Loaded]) -> Iterator[list[_Loaded]]:
        """Tiles to compute together: neighbours in order whose arguments have one shape."""
        group: list[_Loaded] = []
        for each in loaded:
            if group and (each.shapes != group[0].shapes or len(group) >= self._batch):
                yield group
                group = []
            group.append(each)
        if group:
            yield group

    def _report(self) -> None:
        self._done = min(self._done + 1, self._total)
        self.watch.look()
        if self._progress:
            self._progress(self._done, self._total)


class _Writer:
    """One thread that pastes tiles in order; `put` waits while it is ``behind`` by so many."""

    def __init__(self, sink: Sink, watch: Stopwatch, behind: int) -> None:
        self._sink, self._watch, self._behind = sink, watch, behind
        self._pool, self._pending = ThreadPoolExecutor(1, "write"), deque[Future[None]]()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def put(self, tile: Tile, outputs: Callable[[], Outputs]) -> None:
        """The outputs of a tile, once they are asked for, on their way into the sink; errors of earlier ones raised."""
        while len(self._pending) >= self._behind:
            self._first()
        self._pending.append(self._pool.submit(self._paste, tile, outputs))

    def wait(self) -> None:
        """Everything is pasted; errors are raised."""
        while self._pending:
            self._first()

    def _first(self) -> None:
        with self._watch.step("wait"):
            self._pending.popleft().result()

    def _paste(self, tile: Tile, outputs: Callable[[], Outputs]) -> None:
        with self._watch.step("write"):
            self._sink.paste(outputs(), tile)


def crop(inputs: Inputs, window: Window) -> dict[str, Value]:
    """A window of every raster input; features stay whole."""
    return {name: value if isinstance(value, Features) else value.crop(window) for name, value in inputs.items()}


def has_valid(inputs: Inputs) -> bool:
    """True where some raster holds a seen pixel (of a stack: one date, one band), or there is no raster."""
    rasters = [value for value in inputs.values() if not isinstance(value, Features)]
    return not rasters or any(_any_valid(raster) for raster in rasters)


def _any_valid(raster: Scene | Stack) -> bool:
    # Each band of each date of a stack counts by itself: one polarisation may never have been recorded.
    layers = [raster.array] if isinstance(raster, Scene) else list(raster.array.reshape(-1, 1, *raster.grid.shape))
    probes = (layer[:, ::_PROBE, ::_PROBE] for layer in layers)  # nearly always enough
    return any(valid_pixels(each, raster.nodata).any() for each in (*probes, *layers))


def _itself(outputs: Outputs) -> Outputs:
    return outputs
