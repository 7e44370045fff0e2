"""A real STAC API on loopback, with items of small Sentinel-2-like scenes whose assets lie on a file server."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from rasterio.warp import transform_bounds

from components.raster.grid import Grid
from tests.scenes import make_grid, write_plain

ASSETS = {"blue": ("B02", 10), "red": ("B04", 10), "nir": ("B08", 10), "swir16": ("B11", 20)}
SIZE = 60  # pixels of 10 m
BBOX = (3.0, 45.151, 3.0055, 45.1555)


def asset_grid(pixel: float) -> Grid:
    side = int(SIZE * 10 / pixel)
    return make_grid((side, side), pixel=float(pixel))


def stored(band: str, seed: int, pixel: float) -> np.ndarray:
    """Digital numbers 1500 to 5000, 0 (nodata) in the first row."""
    side = int(SIZE * 10 / pixel)
    values = np.random.default_rng([seed, len(band)]).integers(1500, 5000, (1, side, side)).astype(np.uint16)
    values[:, 0] = 0
    return values


def clouds() -> np.ndarray:
    """Scene classes at 20 m: vegetation, with a high cloud in rows 10 to 14 of the first five columns."""
    codes = np.full((1, SIZE // 2, SIZE // 2), 4, np.uint8)
    codes[0, 10:15, :5] = 9
    return codes


def make_item(folder: Path, url: str, name: str, *, seed: int = 0, **properties: Any) -> dict[str, Any]:
    """One item; its assets below ``folder``, which is served at ``url``."""
    grid = asset_grid(10)
    west, south, east, north = transform_bounds(grid.crs, "EPSG:4326", *grid.bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    assets = {key: _asset(folder, url, name, key, seed) for key in ASSETS}
    path = write_plain(folder / name / "scl.tif", clouds(), asset_grid(20))
    assets["scl"] = {"href": f"{url}/{name}/scl.tif", "type": "image/tiff", **_known(path, 20)}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "s2",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "links": [],
        "properties": {
            "datetime": "2024-06-01T10:30:00Z",
            "constellation": "sentinel-2",
            "s2:processing_baseline": "05.10",
            "s2:mgrs_tile": "31TDK",
            "eo:cloud_cover": 12.5,
            "proj:epsg": 32631,
            **properties,
        },
        "assets": assets,
    }


def _asset(folder: Path, url: str, name: str, key: str, seed: int) -> dict[str, Any]:
    band, pixel = ASSETS[key]
    path = write_plain(folder / name / f"{key}.tif", stored(band, seed, pixel), asset_grid(pixel), nodata=0)
    return {
        "href": f"{url}/{name}/{key}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "eo:bands": [{"name": band, "common_name": key}],
        **_known(path, pixel),
    }


def _known(path: Path, pixel: float) -> dict[str, Any]:
    content, grid = path.read_bytes(), asset_grid(pixel)
    return {
        "file:size": len(content),
        "file:checksum": f"1220{hashlib.sha256(content).hexdigest()}",
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
    }


@contextmanager
def stac_api(items: list[dict[str, Any]], folder: Path) -> Iterator[str]:
    """The address of a `rustac serve` process with these items."""
    command = shutil.which("rustac") or pytest.skip("rustac is not installed")
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [command, "serve", "--addr", address, "--create-collections", str(folder / "items.json")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://{address}/")
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError(url)
