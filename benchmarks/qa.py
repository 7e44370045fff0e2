"""Annotation QA of chips of 256 x 256 x 10 with a class map each, without rules that need a model.

10,000 chips are no small disk: a sample is measured at two sizes, and the time of 10,000 follows from what one more
chip takes. That it is the same for the small and the large sample is measured too. Chips beyond the first 200 are the
same files under other names, read and measured like any other. Memory is that of this process and all it starts.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import psutil
from affine import Affine
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

from components.annotation.check import check
from components.raster.cog import Encoding
from components.raster.dataset import finish, write_source
from components.raster.grid import Grid
from components.raster.scene import Class, Scene

WANTED = 10_000
FEW, MANY = (int(each) for each in os.environ.get("SWATH_BENCH_CHIPS", "1000,3000").split(","))
DIFFERENT, EDGE_PX, WATCH_S = 200, 256, 0.25
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
ENCODINGS = {"image": Encoding("uint16", scale=0.0001, nodata=65535), "mask": Encoding("uint8", nodata=255)}
CLASSES = tuple(Class(code, name, (code, code, code)) for code, name in enumerate(("field", "forest", "water")))
UTM31 = CRS.from_epsg(32631)
EXPECTATIONS = "suite: labelled-image\ntable: {kind: labelled-image, window_px: 256}\n"


def measure() -> list[dict[str, Any]]:
    """Three rows: seconds for 10,000 chips, the time of a chip among many over that among few, and peak memory."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        few, many = (_dataset(Path(name) / str(chips), chips) for chips in (FEW, MANY))
        start, _ = _checked(_dataset(Path(name) / "start", 400), Path(name) / "out")
        short, _ = _checked(few, Path(name) / "out")
        long, memory = _checked(many, Path(name) / "out")
    each = (long - start) / (MANY - 400)
    grown = (long - short) / (MANY - FEW) / max((short - start) / (FEW - 400), 1e-9)
    chips = f"chips of {EDGE_PX} x {EDGE_PX} x {len(BANDS)}"
    return [
        _row(f"annotation QA of {WANTED} {chips}, from {MANY}", start + each * (WANTED - 400), 120.0, "s"),
        _row(f"a chip more among {MANY} / among {FEW}", grown, 1.3, "ratio"),
        _row(f"peak memory, {MANY} {chips}, all processes", memory / 1e6, 1000.0, "MB"),
    ]


def _dataset(folder: Path, chips: int) -> Path:
    raw = folder / "raw"
    for number in range(min(DIFFERENT, chips)):
        write_source(raw, f"c{number:05d}", f"c{number:05d}", _chip(number), encodings=ENCODINGS)
    for number in range(DIFFERENT, chips):
        _again(raw, f"c{number % DIFFERENT:05d}", f"c{number:05d}")
    finish(raw, "chips", verified={path.relative_to(raw).as_posix(): "0" * 64 for path in raw.rglob("*.*")})
    (folder / "expectations.yaml").write_text(EXPECTATIONS)
    return folder


def _chip(seed: int) -> dict[str, Scene]:
    rng = np.random.default_rng(seed)
    shape = (EDGE_PX, EDGE_PX)
    codes = np.digitize(gaussian_filter(rng.standard_normal(shape), 10) * 30, (-0.4, 0.4)).astype(np.uint8)
    texture = gaussian_filter(rng.standard_normal((len(BANDS), *shape)), (0, 2, 2))
    values = 0.1 + 0.1 * codes + 0.05 * texture + 0.005 * rng.standard_normal(texture.shape)
    grid = Grid(UTM31, Affine(10, 0, 300000 + 2560 * seed, 0, -10, 5000000), shape)
    image = Scene(np.clip(values, 0, 1).astype(np.float32), grid, BANDS, "reflectance", np.nan)
    return {"image": image, "mask": Scene(codes[None], grid, ("class",), "class", 255, classes=CLASSES)}


def _again(raw: Path, old: str, new: str) -> None:
    """The files of a chip under another name, with an item of their own."""
    (raw / "scenes" / new).mkdir()
    for path in (raw / "scenes" / old).iterdir():
        os.link(path, raw / "scenes" / new / path.name)
    item = json.loads((raw / "items" / f"{old}.json").read_text().replace(old, new))
    (raw / "items" / f"{new}.json").write_text(json.dumps(item))


def _checked(dataset: Path, out: Path) -> tuple[float, float]:
    """Seconds of the whole check and the most memory meanwhile."""
    ended, most = threading.Event(), [0.0]
    watch = threading.Thread(target=_watch, args=(ended, most))
    watch.start()
    begun = perf_counter()
    report = check(dataset, out)
    seconds = perf_counter() - begun
    ended.set()
    watch.join()
    assert report.scenes == len(list((dataset / "raw" / "items").iterdir())), "every chip has its row"
    return seconds, most[0]


def _watch(ended: threading.Event, most: list[float]) -> None:
    while not ended.wait(WATCH_S):
        most[0] = max(most[0], _memory(psutil.Process()))


def _memory(process: psutil.Process) -> float:
    """Bytes that a process and its children hold for themselves; pages they share count once, where they began."""
    total = float(process.memory_info().rss)
    for child in process.children(recursive=True):
        try:
            total += child.memory_full_info().uss
        except psutil.Error:  # it ended meanwhile
            continue
    return total


def _row(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    return {"name": name, "value": float(value), "limit": limit, "unit": unit, "less_is_better": True}
