"""Change datasets on disk: clean ones, and ones with one known fault a scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from components.raster.dataset import finish, write_source
from components.raster.grid import Window
from components.raster.scene import Scene
from tests.scenes import ChangePair, change_pair, make_grid

SHAPE = (96, 96)


def pair(seed: int) -> ChangePair:
    """A pair whose mask fits, on a place of its own."""
    grid = make_grid(SHAPE, corner=(500000.0 + 5000 * seed, 5000000.0))
    return change_pair(SHAPE, seed=seed, grid=grid, changed=Window(30, 28, 34, 30))


def write_dataset(folder: Path, scenes: dict[str, dict[str, Scene]]) -> Path:
    """The scenes as an ingested dataset with the shared rules."""
    for name, roles in scenes.items():
        write_source(folder / "raw", name, name, roles)
    finish(folder / "raw", folder.name)
    (folder / "expectations.yaml").write_text("suite: change-pair\ntable: {evidence: nbr_drop, window_px: 64}\n")
    return folder


def clean() -> dict[str, dict[str, Scene]]:
    """Three scenes without a fault."""
    return {f"clean-{seed}": pair(seed).scenes for seed in range(3)}


def faulty() -> dict[str, dict[str, Scene]]:
    """One scene a fault, by the name of the fault."""
    p = [pair(10 + index) for index in range(18)]
    far = replace(p[0].mask, grid=make_grid(SHAPE, corner=(900000.0, 5000000.0)))
    noisy = np.where(np.random.default_rng(0).random((1, *SHAPE)) < 0.1, 1 - p[5].mask.array, p[5].mask.array)
    sentinel, black, broken = (p[number].after.array.copy() for number in (12, 13, 14))
    sentinel[np.random.default_rng(1).random(sentinel.shape) < 0.01] = 1.9
    black[:, :8], broken[2, :8] = 0, np.nan
    codes = p[4].mask.array.copy()
    codes[0, :3, :3] = 9
    return {
        "other-grid": {**p[0].scenes, "mask": far},
        "other-unit": {**p[1].scenes, "after": replace(p[1].after, unit="digital_number")},
        "other-bands": {**p[2].scenes, "after": replace(p[2].after, bands=("B02", "B03", "B04", "B08", "B11"))},
        "half-empty": {**p[3].scenes, "after": _hole(p[3].after)},
        "unknown-code": {**p[4].scenes, "mask": p[4].mask.with_array(codes)},
        "noisy-label": {**p[5].scenes, "mask": p[5].mask.with_array(noisy.astype(np.uint8))},
        "one-date": {**p[6].scenes, "after": p[6].before},
        "copied": p[7].scenes,
        "copy": p[7].scenes,
        "reversed": {**p[8].scenes, "before": p[8].after, "after": p[8].before},
        "displaced": {**p[9].scenes, "mask": p[9].mask.with_array(np.roll(p[9].mask.array, (4, 3), axis=(1, 2)))},
        "unseen-outline": {**p[10].scenes, "mask": p[10].mask.with_array(np.roll(p[10].mask.array, 40, axis=2))},
        "sentinel": {**p[12].scenes, "after": p[12].after.with_array(sentinel)},
        "black-border": {**p[13].scenes, "after": p[13].after.with_array(black)},
        "broken-band": {**p[14].scenes, "after": p[14].after.with_array(broken)},
        "unlabelled": {**p[16].scenes, "mask": p[16].mask.with_array(np.full_like(p[16].mask.array, 255))},
        "one-class": {**p[17].scenes, "mask": p[17].mask.with_array(np.zeros_like(p[17].mask.array))},
        "times-10000": {role: _scaled(scene, role) for role, scene in p[15].scenes.items()},
    }


def _scaled(scene: Scene, role: str) -> Scene:
    return scene if role == "mask" else scene.with_array(scene.array * 10_000)


def _hole(scene: Scene) -> Scene:
    array = scene.array.copy()
    array[:, :64] = np.nan
    return scene.with_array(array)
