"""From ingested sources to chips: two dates and what changed between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Window
from components.raster.io import read_scene
from components.raster.scene import Scene, require_one_grid
from components.tasks.change.options import MethodOptions, PrepareOptions
from components.tasks.change.pair import AFTER, BEFORE, CHANGE, CHANGED_CODE, CLASSES, NODATA_CODE, UNCHANGED_CODE
from components.tasks.change.scoring import KIND
from components.tasks.chips import Chip

MASK = "mask"


def cut(sources: Sequence[Source], prepare: PrepareOptions, method: MethodOptions) -> Iterator[Chip]:
    """Chips of at most ``block_px`` a side with the bands of the method, and the targets `change` and `kind`.

    Raises:
        NotEnoughData: if a source lacks a date or its mask.
        GridMismatch: if dates and mask of a source do not share one grid.
        BandMismatch: if a band is missing.
    """
    for source in sources:
        missing = [role for role in (BEFORE, AFTER, MASK) if role not in source.files]
        if missing:
            raise NotEnoughData(
                f"source {source.id} has no {', '.join(missing)}; the change task needs pairs with a mask"
            )
        dates = {role: _read(source, role, method) for role in (BEFORE, AFTER)}
        mask = read_scene(source.files[MASK]).require("class", f"{source.id} {MASK}")
        require_one_grid({**dates, MASK: mask})
        targets = {CHANGE: change_of(mask, prepare.kinds), KIND: mask}
        for window in mask.grid.tiles(prepare.block_px):
            name = source.id if window == mask.grid.window else f"{source.id}-r{window.row}-c{window.col}"
            yield Chip(name, source.place, source.id, window, _cropped(dates, window), _cropped(targets, window))


def change_of(mask: Scene, kinds: Sequence[int] | None) -> Scene:
    """A mask of kinds as unchanged (0) and changed (1); nodata is 255.

    Codes other than 0 that are not among ``kinds`` are changes of another kind: here, unchanged.
    """
    codes = mask.array[:1]
    changed = codes != UNCHANGED_CODE if kinds is None else np.isin(codes, kinds)
    known = mask.valid & (codes[0] != NODATA_CODE)
    target = np.where(known, np.where(changed, CHANGED_CODE, UNCHANGED_CODE), NODATA_CODE).astype(np.uint8)
    return replace(mask, array=target, bands=(CHANGE,), nodata=NODATA_CODE, classes=CLASSES)


def _read(source: Source, role: str, method: MethodOptions) -> Scene:
    scene = read_scene(source.files[role], bands=method.canonical_bands)
    return scene.require(method.unit, f"{source.id} {role}")


def _cropped(scenes: dict[str, Scene], window: Window) -> dict[str, Scene]:
    return {name: scene.crop(window) for name, scene in scenes.items()}
