"""From ingested sources to chips: two sensors' view of one place, aligned, or displaced by a known flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Window
from components.raster.io import read_scene
from components.raster.scene import Scene, require_one_grid
from components.tasks.chips import Chip
from components.tasks.coregistration.options import MethodOptions, PrepareOptions, SensorOptions
from components.tasks.coregistration.pair import COVER, FLOW, FLOW_BANDS, HEIGHT, MOVING, REFERENCE


def cut(sources: Sequence[Source], prepare: PrepareOptions, method: MethodOptions) -> Iterator[Chip]:
    """Chips of at most ``block_px`` a side with the bands of either sensor, and with what else the source holds.

    That is the height of the ground (role `height`), or the true flow (role `flow`) of scenes that are displaced, and
    the land cover under the reference (role `cover`, a class map), by which scores are broken down.

    Raises:
        NotEnoughData: if a source lacks one of the two scenes.
        GridMismatch: if the scenes of a source do not share one grid.
        BandMismatch, UnitMismatch: if a band is missing or a scene has another unit.
    """
    for source in sources:
        missing = [role for role in (REFERENCE, MOVING) if role not in source.files]
        if missing:
            raise NotEnoughData(f"source {source.id} has no {', '.join(missing)}; co-registration needs both scenes")
        inputs = {role: _read(source, role, sensor) for role, sensor in method.sensors.items()}
        if HEIGHT in source.files:
            inputs[HEIGHT] = read_scene(source.files[HEIGHT]).require("m", f"{source.id} {HEIGHT}")
        targets = {}
        if FLOW in source.files:
            targets[FLOW] = read_scene(source.files[FLOW], bands=FLOW_BANDS).require("px", f"{source.id} {FLOW}")
        if COVER in source.files:
            targets[COVER] = read_scene(source.files[COVER]).require("class", f"{source.id} {COVER}")
        grid = require_one_grid({**inputs, **targets})
        for window in grid.tiles(prepare.block_px):
            name = source.id if window == grid.window else f"{source.id}-r{window.row}-c{window.col}"
            yield Chip(name, source.place, source.id, window, _cropped(inputs, window), _cropped(targets, window))


def _read(source: Source, role: str, sensor: SensorOptions) -> Scene:
    return read_scene(source.files[role], bands=sensor.canonical_bands).require(sensor.unit, f"{source.id} {role}")


def _cropped(scenes: dict[str, Scene], window: Window) -> dict[str, Scene]:
    return {name: scene.crop(window) for name, scene in scenes.items()}
