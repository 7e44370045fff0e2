"""Tiled prediction against the work that it cannot avoid: the network alone, and a plain copy of the raster.

Throughput of FC-Siam-diff: the engine from two tiled COGs (4 bands, uint16) to the change map, against the pure
forward passes of the same tiles (overlap counted on both sides) with data in memory. The pipeline's own cost: the
identity on one band against a block copy by rasterio to the same product (tiles, compression, overviews, threads).
Memory: peak resident of a process of its own for each size. Sparse: 60,000 x 60,000 pixels of which 1 % are stored.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window as RasterioWindow

from components.inference.compute import Compute
from components.inference.files import predict_file
from components.inference.method import Inputs, Outputs
from components.inference.tiled import plan_of
from components.raster.grid import Window
from components.raster.scene import Scene
from components.raster.streaming import THREADS
from components.tasks.change.networks import ChangeNetwork, network_of
from components.tasks.change.options import MethodOptions

GPU = torch.cuda.is_available()
PAIR_PX, COPY_PX, TILE_PX = (20_000 if GPU else 4_000), 8_192, 512
BANDS = ("B02", "B03", "B04", "B08")
PAIR = ("before", "after")
SMALL_PX, LARGE_PX, SPARSE_PX = 2_000, 10_000, 60_000
STORED_EVERY = 10  # blocks of a row and of a column: one in a hundred is stored
BLOCK_PX = 512
TRIES = 3
LEAST = 0.85 if GPU else 0.95


def measure() -> list[dict[str, Any]]:
    """The rows; some twelve minutes on two cores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [*_network(folder), *_pipeline(folder), *_memory(folder), *_sparse(folder)]


class Identity:
    """The first input again: costs nothing."""

    halo_px = 0
    needs_survey = False

    def survey(self, scenes: Inputs) -> Identity:
        """Itself."""
        return self

    def predict(self, scenes: Inputs) -> Outputs:
        """The input named `image`."""
        source = scenes["image"]
        assert isinstance(source, Scene)
        return {"copy": source}


def siamese() -> ChangeNetwork:
    """FC-Siam-diff with first weights: what it says does not matter here."""
    options = MethodOptions(name="fc-siam-diff", bands=BANDS, unit="digital_number")
    return network_of(options)


def _network(folder: Path) -> list[dict[str, Any]]:
    paths = {
        name: write_scene_like(folder / f"{name}.tif", PAIR_PX, len(BANDS), seed) for seed, name in enumerate(PAIR)
    }
    method, ours, pure = siamese(), [], []
    for _ in range(TRIES):  # in turn: a machine that slows down slows both
        timings = predict_file(method, paths, folder / "change.tif", output="change", tile_px=TILE_PX).timings
        ours.append(timings.total_s)
        pure.append(_forward_s(method))
    where = torch.cuda.get_device_name() if GPU else f"{torch.get_num_threads()} cores"
    speed = TRIES * PAIR_PX**2 / 1e6 / sum(ours)
    return [
        _row(
            f"FC-Siam-diff on {where}, files to file / forward passes alone",
            sum(pure) / sum(ours),
            0.85 if GPU else 0.95,
            "ratio",
        ),
        _row("FC-Siam-diff, files to file, overlap not counted", speed, 0.0, "Mpx/s"),
    ]


def _forward_s(method: ChangeNetwork) -> float:
    """Seconds of the network over all tiles of the pair, data in memory, channels last."""
    compute = Compute(method)
    plan = plan_of(method, TILE_PX)
    total = 0.0
    for tile in plan.layout.tiles((PAIR_PX, PAIR_PX)):
        shape = (compute.batch, len(BANDS), tile.padded.rows, tile.padded.cols)
        images = [torch.rand(shape).to(compute.device, memory_format=torch.channels_last) for _ in PAIR]
        begun = perf_counter()
        with torch.inference_mode(), compute.precision():
            method.module(*images).cpu()
        total += (perf_counter() - begun) / compute.batch
    return total


def _pipeline(folder: Path) -> list[dict[str, Any]]:
    source = write_scene_like(folder / "image.tif", COPY_PX, 1, 0)
    ours, plain = [], []
    for _ in range(TRIES):
        begun = perf_counter()
        predict_file(Identity(), {"image": source}, folder / "copy.tif", output="copy", tile_px=TILE_PX)
        ours.append(perf_counter() - begun)
        begun = perf_counter()
        _copy(source, folder / "plain.tif")
        plain.append(perf_counter() - begun)
    ratio = median(plain) / median(ours)
    return [_row("identity on one band / plain block copy to the same product", ratio, 0.85, "ratio")]


def _copy(source: Path, target: Path) -> None:
    """What one would write with rasterio: blocks over, overviews made."""
    with rasterio.Env(GDAL_CACHEMAX=128 * 2**20), rasterio.open(source) as read:
        profile = read.profile | {"dtype": "float32", "nodata": np.nan, "compress": "deflate", "predictor": 3}
        with rasterio.open(target, "w", **profile, NUM_THREADS=THREADS) as written:
            for _, window in read.block_windows(1):
                pixels = read.read(window=window)
                values = pixels.astype(np.float32)
                values[pixels == read.nodata] = np.nan
                written.write(values, window=window)
            written.build_overviews([2, 4, 8, 16], rasterio.enums.Resampling.average)


def _memory(folder: Path) -> list[dict[str, Any]]:
    peaks = {
        edge: _peak_mb("identity", write_scene_like(folder / f"{edge}.tif", edge, 1, 0))
        for edge in (SMALL_PX, LARGE_PX)
    }
    pair = write_scene_like(folder / "pair.tif", SMALL_PX, len(BANDS), 0)
    return [
        _row(
            "peak memory, identity, 10,000 px / 2,000 px squared",
            peaks[LARGE_PX] / peaks[SMALL_PX],
            1.10,
            "ratio",
            True,
        ),
        _row("peak memory, FC-Siam-diff", _peak_mb("network", pair), 1500.0, "MB", True),
    ]


def _peak_mb(kind: str, path: Path) -> float:
    """The highest resident memory of a process that predicts the file and does nothing else (10^6 bytes)."""
    ended = subprocess.run([sys.executable, "-m", __name__, kind, path], check=True, capture_output=True, text=True)
    return float(ended.stdout)


def _sparse(folder: Path) -> list[dict[str, Any]]:
    seconds = {}
    for edge in (SPARSE_PX // 2, SPARSE_PX):
        path = write_scene_like(folder / f"sparse-{edge}.tif", edge, 1, 0, STORED_EVERY)
        begun = perf_counter()
        predict_file(Identity(), {"image": path}, folder / "sparse.tif", output="copy", tile_px=TILE_PX)
        seconds[edge] = perf_counter() - begun
    growth = seconds[SPARSE_PX] / seconds[SPARSE_PX // 2]
    return [
        _row("60,000 px squared, 1 % stored", seconds[SPARSE_PX], 60.0, "s", True),
        _row("the same / 30,000 px squared (4 times the valid pixels)", growth, 4.6, "ratio", True),
    ]


def write_scene_like(path: Path, edge: int, count: int, seed: int, every: int = 1) -> Path:
    """A tiled uint16 GeoTIFF like a scene: smooth ground with noise; only one in ``every`` squared blocks stored."""
    if path.exists():
        return path
    rng = np.random.default_rng(seed)
    shades = np.kron(rng.uniform(500, 3000, (count, 16, 16)), np.ones((1, 32, 32)))
    profile = {"driver": "GTiff", "dtype": "uint16", "count": count, "height": edge, "width": edge, "nodata": 0}
    profile |= {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 4e6), "BIGTIFF": "IF_SAFER"}
    profile |= {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "deflate", "predictor": 2}
    with rasterio.open(path, "w", **profile, SPARSE_OK=True, NUM_THREADS=THREADS) as dataset:
        dataset.descriptions = BANDS[:count]
        for row in range(0, edge, BLOCK_PX * every):
            for col in range(0, edge, BLOCK_PX * every):
                window = Window(row, col, BLOCK_PX, BLOCK_PX).within_shape((edge, edge))
                noisy = shades + rng.normal(0, 30, shades.shape)
                pixels = noisy[:, : window.rows, : window.cols].astype(np.uint16)
                dataset.write(pixels, window=RasterioWindow(col, row, window.cols, window.rows))
    return path


def _row(name: str, value: float, limit: float, unit: str, less: bool = False) -> dict[str, Any]:
    return {"name": name, "value": value, "limit": limit, "unit": unit, "less_is_better": less}


def _alone(kind: str, path: Path) -> float:
    """Peak resident memory of this process after the prediction, as the kernel counted it."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "identity":
            predict_file(Identity(), {"image": path}, Path(folder) / "out.tif", output="copy", tile_px=TILE_PX)
        else:
            predict_file(
                siamese(), dict.fromkeys(PAIR, path), Path(folder) / "out.tif", output="change", tile_px=TILE_PX
            )
    # Not ru_maxrss: that of a child begins with the memory of its parent.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(_alone(sys.argv[1], Path(sys.argv[2])))
