"""Datasets whose wrong labels are known: change pairs and class maps, written like ingested ones."""

from dataclasses import replace

import numpy as np

from components.raster.dataset import finish, read_sources, write_source
from components.raster.scene import Class, Scene
from tests.annotation.pairs import SHAPE, pair
from tests.scenes import make_grid, make_scene

COVER = (Class(0, "water", (0, 0, 255)), Class(1, "field", (200, 200, 0)), Class(2, "wood", (0, 99, 0)))


def written(folder, scenes):
    """The scenes by id and role as sources of a dataset."""
    for name, roles in scenes.items():
        write_source(folder / "raw", name, name, roles)
    finish(folder / "raw", folder.name)
    return read_sources(folder / "raw")


def pairs(count=6):
    """Pairs of one changed rectangle each, by id."""
    return {f"place-{number}": pair(number).scenes for number in range(count)}


def covers(count=4):
    """Images with three stripes of ground each, by id."""
    return {f"place-{number}": cover(number) for number in range(count)}


def cover(seed):
    """An image whose bands follow its class map of three stripes."""
    grid = make_grid((96, 96), corner=(500000.0 + 5000 * seed, 5000000.0))
    codes = np.repeat(np.arange(3), 32)[None, :].repeat(96, 0)
    codes = np.roll(codes, 7 * seed, axis=1)
    image = make_scene((96, 96), ("B02", "B08"), seed=seed, grid=grid)
    colours = np.array([[0.05, 0.02], [0.2, 0.3], [0.05, 0.45]])[codes]
    array = 0.1 * image.array + np.moveaxis(colours, -1, 0).astype(np.float32)
    label = Scene(codes[None].astype(np.uint8), grid, ("class",), "class", 255, classes=COVER)
    return {"image": image.with_array(array.astype(np.float32)), "mask": label}


def with_label(roles, codes):
    """The same images under another label ``(row, col)``."""
    return {**roles, "mask": replace(roles["mask"], array=codes[None].astype(np.uint8))}


CLEAN = {"clean-a", "clean-b", "clean-c", "clean-d"}
FLIPPED = 0.15


def faulty_pairs():
    """Eight pairs, four of them with one fault each, by the name of the fault."""
    roles = list(pairs(8).values())
    codes = [each["mask"].array[0] for each in roles]
    spurious = codes[3].copy()
    spurious[68:92, 4:28] = 1
    flipped = np.where(np.random.default_rng(0).random(SHAPE) < FLIPPED, 1 - codes[2], codes[2])
    return {
        "clean-a": roles[0],
        "clean-b": roles[1],
        "clean-c": roles[6],
        "clean-d": roles[7],
        "flipped": with_label(roles[2], flipped),
        "invented": with_label(roles[3], spurious),
        "missing": with_label(roles[4], np.zeros(SHAPE, int)),
        "shifted": with_label(roles[5], np.roll(codes[5], (9, 7), (0, 1))),
    }
