"""From aligned chips to displaced pairs: freshly deformed crops to train on, fixed ones to be scored on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from zlib import crc32

import numpy as np
from affine import Affine

from components.raster.grid import Grid, Window
from components.raster.scene import Array, Scene
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.coregistration.batches import MOVING_TWIN, REFERENCE_TWIN, Statistics
from components.tasks.coregistration.deformation import deformed, draw_flow, inverse
from components.tasks.coregistration.filters import Flow
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.pair import FLOW, HEIGHT, MOVING, REFERENCE, flow_scene
from components.tasks.coregistration.views import statistics_of
from components.tasks.seam import Sample, Samples

MARGIN_PX = 4  # beyond the longest flow: what a resampling kernel reads


@dataclass(frozen=True)
class Crop(Sample):
    """A deformed window of a chip, with the statistics of whole chips, which a window alone cannot know.

    Beside reference and moving scene it holds their twins: the same ground as the other sensor sees it. ``related``
    is false where the two scenes show two places; there is no flow then.
    """

    statistics: Statistics = field(default_factory=dict)
    related: bool = True


class WholeChips:
    """Every chip of a split; one without a true flow is displaced by a flow that follows from its name and the seed."""

    def __init__(self, prepared: Prepared, ids: tuple[str, ...], options: MethodOptions, seed: int) -> None:
        self.prepared, self.ids, self.options, self.seed = prepared, ids, options, seed

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        chip = self.prepared.chip(self.ids[index])
        reference, moving = _scene(chip, REFERENCE), _scene(chip, MOVING)
        if FLOW in chip.targets:
            return Sample(chip.id, chip.place, {REFERENCE: reference, MOVING: moving}, chip.targets)
        rng = np.random.default_rng((self.seed, crc32(chip.id.encode())))
        flow = draw_flow(reference.grid.shape, self.options.deformation, rng, _height(chip))
        inputs = {REFERENCE: reference, MOVING: deformed(moving, flow)}
        return Sample(chip.id, chip.place, inputs, {**chip.targets, FLOW: flow_scene(flow, reference.grid)})


class Crops:
    """Random windows of aligned chips, freshly deformed, turned and flipped: a function of seed and index alone.

    Every chip is drawn equally often. A share of the crops shows two different places.
    """

    def __init__(self, prepared: Prepared, ids: tuple[str, ...], options: MethodOptions, seed: int) -> None:
        self.prepared, self.ids, self.options, self.seed = prepared, ids, options, seed
        self._statistics: dict[str, Mapping[str, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.options.crops

    def __getitem__(self, index: int) -> Crop:
        if not 0 <= index < len(self):
            raise IndexError(f"crop {index} of {len(self)}")
        rng = np.random.default_rng((self.seed, index))
        chip_id = self.ids[int(rng.integers(len(self.ids)))]
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        there, own = self._window(chip_id, rng), self._known(chip_id)
        flow = draw_flow(_scene(there, REFERENCE).grid.shape, self.options.deformation, rng, _height(there))
        stranger = self._stranger(there.place, rng)
        other = there if stranger is None else self._window(stranger, rng)
        known = own if stranger is None else self._known(stranger)
        if stranger is not None:
            flow = np.full_like(flow, np.nan)
        back = None if stranger else inverse(flow)  # once for both twins: a tenth of the cost of a crop
        scenes = {
            REFERENCE: _scene(there, REFERENCE),
            REFERENCE_TWIN: _scene(there, MOVING),
            MOVING: _scene(other, MOVING) if stranger else deformed(_scene(there, MOVING), flow, back),
            MOVING_TWIN: _scene(other, REFERENCE) if stranger else deformed(_scene(there, REFERENCE), flow, back),
        }
        size = self.options.crop_px
        inputs = {
            name: _placed(scene, _turned(_middle(scene.array, size), turns, flip)) for name, scene in scenes.items()
        }
        target = flow_scene(_turned_flow(_middle(flow, size), turns, flip), _no_place(size))
        statistics = {REFERENCE: own[REFERENCE], REFERENCE_TWIN: own[MOVING]}
        statistics |= {MOVING: known[MOVING], MOVING_TWIN: known[REFERENCE]}
        return Crop(f"{chip_id}#{index}", there.place, inputs, {FLOW: target}, statistics, stranger is None)

    def _window(self, chip_id: str, rng: np.random.Generator) -> Chip:
        """A random window with the margin that a flow may reach into, or as much as the chip holds."""
        size = self.options.crop_px + 2 * (ceil(self.options.deformation.most_px) + MARGIN_PX)
        shape = self.prepared.shape(chip_id)
        row, col = (int(rng.integers(max(side - size, 0) + 1)) for side in shape)
        return self.prepared.chip(chip_id, Window(row, col, min(size, shape[0]), min(size, shape[1])))

    def _stranger(self, place: str, rng: np.random.Generator) -> str | None:
        """A chip of another place for a share of the crops."""
        if rng.random() >= self.options.unrelated:
            return None
        others = [each for each in self.ids if self.prepared.place(each) != place]
        return others[int(rng.integers(len(others)))] if others else None

    def _known(self, chip_id: str) -> Mapping[str, np.ndarray]:
        if chip_id not in self._statistics:
            chip = self.prepared.chip(chip_id)
            self._statistics[chip_id] = {name: statistics_of(_scene(chip, name)) for name in (REFERENCE, MOVING)}
        return self._statistics[chip_id]


def samples_of(prepared: Prepared, split: Split, options: MethodOptions, seed: int) -> Samples:
    """Freshly deformed crops for `train`, whole chips for `val` and `test`."""
    kind = Crops if split == "train" else WholeChips
    return kind(prepared, prepared.ids(split), options, seed)


def _scene(chip: Chip, name: str) -> Scene:
    scene = chip.inputs[name]
    assert isinstance(scene, Scene), "pairs are scenes"
    return scene


def _height(chip: Chip) -> Array | None:
    return _scene(chip, HEIGHT).array[0] if HEIGHT in chip.inputs else None


def _middle(array: Array, size: int) -> Array:
    """The middle ``(..., size, size)``; what is lacking to it is NaN."""
    lacking = [max(size - side, 0) for side in array.shape[-2:]]
    if any(lacking):
        array = np.pad(array, [(0, 0), *((each // 2, each - each // 2) for each in lacking)], constant_values=np.nan)
    row, col = ((side - size) // 2 for side in array.shape[-2:])
    return array[:, row : row + size, col : col + size]


def _turned(array: Array, turns: int, flip: bool) -> Array:
    """Turned by quarters, then mirrored left to right."""
    turned = np.rot90(array, turns, (1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if flip else turned)


def _turned_flow(flow: Flow, turns: int, flip: bool) -> Flow:
    """A flow whose field is turned and whose vectors turn with it: a quarter turn makes (u, v) into (v, -u)."""
    u, v = _turned(flow, turns, flip)
    for _ in range(turns):
        u, v = v, -u
    return np.stack([-u if flip else u, v])


def _placed(scene: Scene, array: Array) -> Scene:
    """The scene with turned pixels; it has no place on the ground any more."""
    return scene.with_array(array, grid=_no_place(array.shape[-1]))


@lru_cache(maxsize=8)
def _no_place(size: int) -> Grid:
    return Grid(None, Affine.identity(), (size, size))
