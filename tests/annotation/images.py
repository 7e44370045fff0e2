"""Labelled images on disk: clean ones, and ones with one known fault a scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from components.raster.dataset import finish, write_source
from components.raster.scene import Class, Scene
from tests.scenes import make_grid

SHAPE = (128, 128)
WIDE = (256, 256)  # where chance cannot make another place's label fit
BANDS = ("B02", "B03", "B04", "B08")
CLASSES = (Class(0, "land", (150, 140, 120)), Class(1, "water", (60, 110, 200)))
SIGNATURES = np.array([[0.08, 0.10, 0.12, 0.35], [0.06, 0.06, 0.04, 0.02]])  # of land and water
Roles = dict[str, Scene]
AGES_DAYS = {"map-of-long-ago": 3650, "map-of-later": -1500}  # all others: a year


def labelled(seed: int, shape: tuple[int, int] = SHAPE, classes: int = 2) -> Roles:
    """An image of land and water with speckle and texture, and the map that it was made from."""
    rng = np.random.default_rng(seed)
    height = gaussian_filter(rng.standard_normal(shape), 12)
    codes = (height > np.quantile(height, 0.6)).astype(np.uint8) if classes == 2 else np.zeros(shape, np.uint8)
    texture = gaussian_filter(rng.standard_normal(shape), 3)
    array = SIGNATURES[codes].transpose(2, 0, 1) + 0.02 * texture / texture.std() * (codes == 0)
    array = (array + 0.004 * rng.standard_normal(array.shape)).astype(np.float32)
    grid = make_grid(shape, corner=(500000.0 + 5000 * seed, 5000000.0))
    return {
        "image": Scene(array, grid, BANDS, "reflectance", np.nan),
        "mask": Scene(codes[None], grid, ("class",), "class", 255, classes=CLASSES),
    }


def moved(roles: Roles, down: int, right: int) -> Roles:
    """The label moved aside; what it leaves is not labelled."""
    codes = np.full_like(roles["mask"].array, 255)
    rows, cols = codes.shape[1:]
    codes[:, max(down, 0) : rows + min(down, 0), max(right, 0) : cols + min(right, 0)] = roles["mask"].array[
        :, max(-down, 0) : rows - max(down, 0), max(-right, 0) : cols - max(right, 0)
    ]
    return {**roles, "mask": roles["mask"].with_array(codes)}


def write_images(folder: Path, scenes: dict[str, Roles], expectations: str = "") -> Path:
    """The scenes as an ingested dataset with the shared rules."""
    for name, roles in scenes.items():
        age = {"days since newest": AGES_DAYS.get(name, 365)}
        write_source(folder / "raw", name, name, roles, properties={"swath:mask": {"age": age}})
    finish(folder / "raw", folder.name)
    text = "suite: labelled-image\ntable: {kind: labelled-image, window_px: 64}\n"
    (folder / "expectations.yaml").write_text(expectations or text)
    return folder


def clean_images() -> dict[str, Roles]:
    """Five scenes without a fault."""
    return {f"clean-{seed}": labelled(seed) for seed in range(5)}


def faulty_images() -> dict[str, Roles]:
    """One scene a fault, by the name of the fault, among scenes without."""
    p = [labelled(20 + number) for number in range(20)]
    wide, rng = labelled(40, WIDE), np.random.default_rng(0)
    codes = [each["mask"].array.copy() for each in p]
    codes[4][0, :3, :3] = 9
    codes[5] = np.where(rng.random(codes[5].shape) < 0.1, 1 - codes[5], codes[5])
    image = [each["image"].array.copy() for each in p]
    image[3][:, :100] = np.nan
    image[10][rng.random(image[10].shape) < 0.01] = 6.5535
    image[11][:, :12] = 0
    image[12][3, :16] = np.nan
    image[13] = 10 * np.log10(np.clip(image[13], 1e-3, None))
    image[14] = image[14] / 1000
    elsewhere = make_grid(SHAPE, corner=(900000.0, 5000000.0))
    return {
        **clean_images(),
        "other-grid": {**p[0], "mask": replace(p[0]["mask"], grid=elsewhere)},
        "unlabelled": {**p[1], "mask": p[1]["mask"].with_array(np.full_like(codes[1], 255))},
        "one-class": labelled(22, classes=1),
        "half-empty": {**p[3], "image": p[3]["image"].with_array(image[3])},
        "unknown-code": {**p[4], "mask": p[4]["mask"].with_array(codes[4])},
        "noisy-label": {**p[5], "mask": p[5]["mask"].with_array(codes[5])},
        "map-of-long-ago": p[15],
        "map-of-later": p[16],
        "copied": p[6],
        "copy": p[6],
        "other-label": {**wide, "mask": wide["mask"].with_array(labelled(77, WIDE)["mask"].array)},
        "displaced": moved(p[8], 5, -4),
        "times-10000": {**p[9], "image": p[9]["image"].with_array(p[9]["image"].array * 10_000)},
        "sentinel": {**p[10], "image": p[10]["image"].with_array(image[10])},
        "black-border": {**p[11], "image": p[11]["image"].with_array(image[11])},
        "broken-band": {**p[12], "image": p[12]["image"].with_array(image[12])},
        "decibels": {**p[13], "image": p[13]["image"].with_array(image[13])},
        "thousandth": {**p[14], "image": p[14]["image"].with_array(image[14])},
    }
