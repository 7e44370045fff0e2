"""Co-registration: how fast one core is with each classical method, and how well methods do on the real test pairs.

`python -m benchmarks registration` measures speed. `python -m benchmarks.registration` prints the scores on the pairs
that are for testing only: the Sentinel-1/Sentinel-2 patch with its flow, the CFOG pairs with their check points, and
the held-out aligned pairs displaced by synthetic relief (`_relief.py`).
`python -m benchmarks.registration shifts` prints how far off each is for textures moved by fractions of a pixel,
`... refined` what matching the flow of a network again does between two sensors, on the validation places of its run,
`... strangers` how sure each method is of pairs that show two different places.
Settings were fixed before any of these pairs was looked at.

The two images of the patch lie on each other as they were published: their structure matches best at zero flow, and
hardly anywhere at its flow (tests/tasks/test_coregistration_real.py), which is yet to be applied. So the pair is scored
twice: with the Sentinel-2 image moved by the flow, which is the test, and as published, against zero.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks import _refined, _relief, _strangers, _subpixel
from benchmarks._pairs import RADAR, aligned_pairs, any_options, scene_of
from components.inference.method import Method
from components.inference.tiled import predict_whole
from components.metrics.flow import ErrorCounts, check_point_scores, check_points, end_point_errors
from components.raster.scene import Scene
from components.raster.warping import warp
from components.tasks import load_run
from components.tasks.bundle import load_module, load_state
from components.tasks.coregistration.candidates import network_of
from components.tasks.coregistration.classical import MATCHERS, DenseMatching, classical
from components.tasks.coregistration.consistency import trusted
from components.tasks.coregistration.deformation import inverse
from components.tasks.coregistration.filters import Flow
from components.tasks.coregistration.gefolki import EFOLKI
from components.tasks.coregistration.options import MethodOptions, method_options
from components.tasks.coregistration.pair import CONFIDENCE, FLOW, MOVING, REFERENCE
from components.tasks.coregistration.shift import best_constant

PROJECT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("SWATH_REAL_DATA", PROJECT.parent / "shared/data")) / "coregistration"
SIDE, ROUNDS = 1024, 2
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
TIMED = {
    "GeFolki, 4 levels": "gefolki.estimate",
    "GeFolki with confidence": "consistency.trusted",
    "template matching": "templates.estimate",
    "phase correlation": "shift.phase_correlation",
}
# In a process of its own and in seconds of its core, as in simulation.py.
PROGRAM = """
import os, sys, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from scipy.ndimage import gaussian_filter
from components.tasks.coregistration import consistency, gefolki, shift, templates
side, rounds = int(sys.argv[1]), int(sys.argv[2])
module, name = sys.argv[3].split(".")
rng = np.random.default_rng(0)
moving = sum(gaussian_filter(rng.standard_normal((side, side)), s) * s for s in (1, 2, 6)).astype(np.float32)
reference = np.roll(moving, (2, -3), (0, 1))
best = float("inf")
for _ in range(rounds):
    began = time.process_time()
    getattr(globals()[module], name)(reference, moving)
    best = min(best, time.process_time() - began)
print(best)
"""

Making = Callable[[MethodOptions], Method]
CLASSICAL: Mapping[str, Making] = {
    "zero flow": lambda options: classical("zero-flow", options),
    "phase correlation": lambda options: classical("phase-correlation", options),
    "GeFolki": lambda options: classical("gefolki", options),
    "EFolki": lambda options: DenseMatching(options, lambda one, two: trusted(one, two, EFOLKI), None),
    "templates": lambda options: DenseMatching(options, MATCHERS["templates"](options)[0], None),
    "templates, refined": _refined.templates,
}
FIRST_REFERENCE, FIRST_MOVING = (0, 1, 2, 3), (2, 3, 0, 1)  # whose x and y stand first in a line of check points
CFOG = {  # reference, moving image, check points, whose coordinates come first (the name of the file says it)
    "visible-SAR": ("visible1_ref", "SAR1_sen", "visibleToSAR1_CP", FIRST_REFERENCE),
    "optical-LiDAR": ("visible1_ref", "LiDARintensity1_sen", "LiDARToVisible1", FIRST_MOVING),
    "visible-infrared": ("test6_ref", "test6_sen", "VisibletoInfrared_CP", FIRST_REFERENCE),
}
COLUMNS = ("epe", "median", "p95", "over_1px", "over_3px", "rmse", "within_1px", "within_2px", "within_3px")


@dataclass(frozen=True)
class RealPair:
    """A pair for testing with a true flow ``(2, row, col)``, or with check points ``(n, 4)``, see `check_points`."""

    name: str
    scenes: Mapping[str, Scene]
    options: MethodOptions
    truth: Flow | None = None
    points: NDArray[np.float64] | None = None

    def scores(self, flow: Flow) -> dict[str, float | None]:
        """End-point errors over all pixels, or residuals over all points."""
        if self.truth is not None:
            return ErrorCounts.of(end_point_errors(flow, self.truth)).scores()
        assert self.points is not None
        return check_point_scores(check_points(flow, self.points))

    @property
    def oracle(self) -> Flow:
        """The best constant shift: a control that knows the truth."""
        shape = self.scenes[REFERENCE].grid.shape
        if self.truth is not None:
            return best_constant(self.truth).flow(shape)
        assert self.points is not None
        moves = (self.points[:, 2:] - self.points[:, :2]).T.astype(np.float32)
        return best_constant(moves[:, :, None]).flow(shape)


def measure() -> list[dict[str, Any]]:
    """Megapixels a second of each classical method, and GeFolki's seconds against its limit."""
    seconds = {name: _seconds(what) for name, what in TIMED.items()}
    rows = [
        {"name": f"co-registration of {SIDE} x {SIDE}, one core, {name}", "value": SIDE**2 / 1e6 / each, "limit": 0.0}
        | {"unit": "Mpx/s"}
        for name, each in seconds.items()
    ]
    first = next(iter(TIMED))
    limit = {"name": f"{first}, {SIDE} x {SIDE}, one core", "value": seconds[first], "limit": 10.0, "unit": "s"}
    return [*rows, {**limit, "less_is_better": True}]


def _seconds(what: str) -> float:
    command = [sys.executable, "-c", PROGRAM, str(SIDE), str(ROUNDS), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **ONE_THREAD})
    return float(done.stdout)


def real_pairs(folder: Path = REAL) -> tuple[RealPair, ...]:
    """The real test pairs: never trained on, never tuned on."""
    return (*_patch(folder / "gefolki/S1S2"), *(_cfog(folder / "cfog" / name, name) for name in CFOG))


def _patch(folder: Path) -> tuple[RealPair, RealPair]:
    radar, optical = (tifffile.imread(folder / f"{name}_patch11.tif") for name in ("S1", "S2"))
    truth = np.moveaxis(tifffile.imread(folder / "Flow_patch11.tif"), -1, 0).astype(np.float32)
    scenes = {REFERENCE: scene_of(radar, "amplitude"), MOVING: scene_of(optical, "digital_number")}
    moved = {**scenes, MOVING: warp(scenes[MOVING], inverse(truth, step=1), resampling="cubic")}
    return (
        RealPair("S1S2, moved by its flow", moved, any_options(moved, REFERENCE), truth),
        RealPair("S1S2, as published, against zero", scenes, any_options(scenes, REFERENCE), np.zeros_like(truth)),
    )


def _cfog(folder: Path, name: str) -> RealPair:
    reference, moving, points, order = CFOG[name]
    scenes = {
        role: scene_of(tifffile.imread(folder / f"{file}.tif"), "digital_number")
        for role, file in ((REFERENCE, reference), (MOVING, moving))
    }
    table = np.loadtxt(folder / f"{points}.txt")[:, order] - 1  # the first pixel is (1, 1) in these files
    return RealPair(name, scenes, any_options(scenes, MOVING if name == "visible-SAR" else None), points=table)


def learnt(run: str, *, refine: bool, one_sensor: bool = False) -> Making:
    """The released weights of a run, on images whose bands and units are not those of the run: grey is grey.

    With ``refine`` its flow is matched again, whatever the run says. With ``one_sensor`` both scenes are of the moving
    sensor; a network with an encoder for each matches them as such.

    Raises:
        UnknownName: if there is no such run, or its weights are not here.
    """
    own = method_options(load_run(run)[1])
    state, _ = load_state(PROJECT / "models" / "weights" / run)

    def make(options: MethodOptions) -> Method:
        sides = {
            role: getattr(options, role).model_copy(update={"sensor": side.sensor})
            for role, side in own.sensors.items()
        }
        network = network_of(own.model_copy(update={**sides, "refine": refine}))
        load_module(network.module, state, run)
        first, second = (REFERENCE if side.sensor == RADAR else MOVING for side in options.sensors.values())
        if one_sensor and network.family.per_sensor:
            return network.between(MOVING).refining(refine=refine)
        network.sensors = first, second
        return network

    return make


def evaluate(methods: Mapping[str, Making], pairs: tuple[RealPair, ...]) -> list[dict[str, Any]]:
    """One row a pair and method, first the best constant shift: its scores, and the mean confidence."""
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        rows.append({"pair": pair.name, "method": "best constant (oracle)", **pair.scores(pair.oracle)})
        for name, make in methods.items():
            found = predict_whole(make(pair.options).survey(pair.scenes), pair.scenes)
            flow, confidence = found[FLOW], found[CONFIDENCE]
            assert isinstance(flow, Scene)
            assert isinstance(confidence, Scene)
            sure = float(np.nanmean(confidence.array))
            rows.append({"pair": pair.name, "method": name, **pair.scores(flow.array), "confidence": sure})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown: lengths in px, shares 0..1."""
    columns = (*COLUMNS, "confidence")
    lines = [f"| pair | method | {' | '.join(columns)} |", "| --- | --- |" + " ---: |" * len(columns)]
    for row in rows:
        numbers = ("" if row.get(key) is None else f"{row[key]:.2f}" for key in columns)
        lines.append(f"| {row['pair']} | {row['method']} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def main() -> None:
    """Both tables with every network whose weights are here; with a word what the head of this says."""
    weights = (PROJECT / "models" / "weights").glob("coregistration-*/weights.safetensors")
    runs, shifts = sorted(path.parent.name for path in weights), sys.argv[1:] == ["shifts"]
    if sys.argv[1:] == ["strangers"]:
        print(_strangers.table(_strangers.evaluate(runs)))
        return
    if sys.argv[1:] == ["refined"]:
        print(_refined.table(_refined.evaluate(runs)))
        return
    networks = {
        f"{run}, refined" if refine else run: learnt(run, refine=refine, one_sensor=shifts)
        for refine in (False, True)
        for run in runs
    }
    methods = {**CLASSICAL, **networks}
    if shifts:
        print(_subpixel.table(_subpixel.evaluate(methods)))
        return
    print(table(evaluate(methods, real_pairs())))
    print(f"\n{_relief.table(list(_relief.evaluate(methods, aligned_pairs(REAL.parent))))}")


if __name__ == "__main__":
    main()
