"""Radar series: how fast and how frugal; with a subcommand, how well every method does where the truth is known.

`python -m benchmarks change_series` predicts 60 dates of VV and VH, 4,000 x 4,000 px, from files to files (8 GB of
disk, which are given back; `python -m benchmarks.change_series speed --px 1000` for less). The others print Markdown:

    python -m benchmarks.change_series detection   # probability of detection on the sandbox's places of validation
    python -m benchmarks.change_series pairs       # kappa of real pairs with truth
    python -m benchmarks.change_series stable      # false alarms on the stable land of the real OPERA series
    python -m benchmarks.change_series years       # alarms within one autumn of that series and across three
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from benchmarks import _series_real, _series_truth

DATES, PX = 60, 4_000
BLOCK_PX = 512
LOOKS = 4.4
CHANGED = 0.02  # share of pixels that change for good: they must be dated, which costs more than finding them
LEVEL = {"VV": 0.1, "VH": 0.02}
MOST_S, MOST_MB = 180.0, 2_000.0
RUNS = ("change-sar", "change-sar-omnibus")


def measure() -> list[dict[str, Any]]:
    """Rows of both classical runs at full size."""
    return speed(PX, DATES)


def speed(px: int, dates: int) -> list[dict[str, Any]]:
    """Seconds, memory and share of reading of each run, on a series of that size; limits hold for the full one."""
    full = (px, dates) == (PX, DATES)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = write_series(Path(name) / "series", px, dates)
        for run in RUNS:
            found = _predicted(run, folder, Path(name))
            what = f"{run}, {dates} dates x 2 x {px:,} x {px:,} px"
            said = [
                ("", found["total_s"], "s", MOST_S),
                (", memory", found["peak_mb"], "MB", MOST_MB),
                (", of the processor", found["cpu_s"], "s", None),
                (", share of reading", found["read_s"] / found["busy_s"], "", None),
            ]
            for part, value, unit, limit in said:
                kept = {"limit": limit} if full and limit else {}
                rows.append({"name": what + part, "value": value, "unit": unit, "less_is_better": True, **kept})
    return rows


def write_series(folder: Path, px: int, dates: int) -> Path:
    """Gamma speckle with a changed corner in tiled and deflated files, one a date and polarisation."""
    folder.mkdir()
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "height": px, "width": px, "crs": "EPSG:32631"}
    profile |= {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "deflate", "zlevel": 1}
    profile |= {"transform": Affine(10, 0, 500_000, 0, -10, 5_400_000), "nodata": float("nan")}
    corner = int(px * np.sqrt(CHANGED))
    rng = np.random.default_rng(0)
    for index in range(dates):
        day = date(2022, 1, 3) + timedelta(days=12 * index)
        for band, level in LEVEL.items():
            values = rng.standard_gamma(LOOKS, (px, px), np.float32) * np.float32(level / LOOKS)
            if index > dates // 2:
                values[:corner, :corner] *= 8
            with rasterio.open(folder / f"{day:%Y%m%d}_{band}.tif", "w", **profile) as file:
                file.write(values, 1)
    return folder


def _predicted(run: str, folder: Path, out: Path) -> dict[str, float]:
    """Timings in a process of its own, whose memory nothing else has touched."""
    command = [sys.executable, "-m", "benchmarks._series_speed", run, str(folder), str(out / f"{run}.tif")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Prints what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "detection", "pairs", "stable", "years"])
    parser.add_argument("--px", type=int, default=PX, help="side of the series of `speed`")
    parser.add_argument("--dates", type=int, default=DATES, help="dates of the series of `speed`")
    parser.add_argument("--prepared", type=Path, default=_series_truth.PREPARED, help="chips of `detection`")
    parser.add_argument("--weights", type=Path, help="weights of change-sar-learnt, which take part in `detection`")
    parser.add_argument("--split", choices=["train", "val", "test"], default="val", help="places of `detection`")
    given = parser.parse_args()
    if given.what == "speed":
        for row in speed(given.px, given.dates):
            print(f"{row['name']}: {row['value']:.3g} {row['unit']}")
    elif given.what == "detection":
        print(_series_truth.detection(given.prepared, given.split, given.weights))
    else:
        print({"pairs": _series_truth.pairs, "stable": _series_real.stable, "years": _series_real.years}[given.what]())


if __name__ == "__main__":
    main()
