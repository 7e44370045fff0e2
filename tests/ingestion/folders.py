"""Source folders as a provider would send them, small, with known faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from components.raster.grid import Grid
from tests.scenes import make_grid, write_plain

DECLARATION = {
    "name": "toy",
    "title": "toy",
    "origin": "made here",
    "licence": "Apache-2.0",
    "citation": "none",
    "sensor": "sentinel-2",
    "layout": {
        "kind": "folders",
        "roles": {"before": "pre", "after": "post", "mask": "masks"},
        "name": r"(?P<fire>[^_]+)_(?P<date>\d+)\.tif",
        "id": "{fire}_{date}",
        "place": "{fire}",
    },
    "properties": {"swath:event_date": "{date}"},
    "image": {
        "bands": ["B2", "B8"],
        "unit": "reflectance",
        "scale": 1e-4,
        "storage": {"dtype": "uint16", "scale": 5e-5, "nodata": 65535},
    },
    "label": {
        "values": {0: 0, 1: 4},
        "classes": {
            0: {"name": "unchanged", "colour": [0, 0, 0]},
            4: {"name": "burned", "colour": [255, 0, 0]},
        },
    },
    "max_lost": 0.5,
}
NAMES = ("a_1", "b_2", "c_3")


def declare(root: Path, **changes: object) -> Path:
    """The folder of the dataset `toy`, with its declaration."""
    dataset = root / "data" / "sources" / "toy"
    dataset.mkdir(parents=True, exist_ok=True)
    (dataset / "dataset.yaml").write_text(yaml.safe_dump({**DECLARATION, **changes}))
    return dataset


def numbers(seed: int, shape: tuple[int, int] = (24, 20)) -> np.ndarray:
    """Two bands of reflectance x 10,000 in steps of a half, as medians of an even number of dates have them."""
    return np.random.default_rng(seed).integers(100, 12000, (2, *shape)).astype(np.float64) / 2


def label(seed: int, shape: tuple[int, int] = (24, 20)) -> np.ndarray:
    """One band of 0 and 1."""
    values = np.zeros((1, *shape), np.uint8)
    values[0, 3 + seed : 15, 4:12] = 1
    return values


def write_triple(folder: Path, name: str, seed: int = 0, grid: Grid | None = None) -> None:
    """Before, after and mask of one fire."""
    grid = grid or make_grid((24, 20))
    write_plain(folder / "pre" / f"{name}.tif", numbers(seed), grid)
    write_plain(folder / "post" / f"{name}.tif", numbers(seed + 100), grid)
    write_plain(folder / "masks" / f"{name}.tif", label(seed), grid)


def source_folder(root: Path, names: tuple[str, ...] = NAMES) -> Path:
    """A clean source folder."""
    for seed, name in enumerate(names):
        write_triple(root / "source", name, seed)
    return root / "source"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by relative name, with its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
