"""Despeckling: what the loader costs beside a training step, and how well methods do on drawn speckle.

`python -m benchmarks despeckling` measures the loader. `python -m benchmarks.despeckling` draws speckle on means over
dates of real bursts (the OPERA series, land) and prints PSNR, SSIM and the ratio of every filter, of means over a few
drawn dates, and of learnt weights:

    python -m benchmarks.despeckling --looks 1 --run despeckling-l1 --draws 20

`--transfer` shows them a sample of another sensor instead, with ENL, ratio, edges and targets:

    python -m benchmarks.despeckling --transfer --run despeckling-sandbox --weights models/weights/despeckling-sandbox

`--merlin` learns from one half of that sample, which is single-look complex, and judges the other half.

With a run only bursts are scored of which it saw nothing in training or validation. The peak of PSNR is the 99th
percentile of the amplitude of each burst; `+-` is the deviation over draws, intervals are over blocks of 25 px.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import _merlin, _speckle_transfer
from components.inference.method import Method, Outputs
from components.inference.tiled import predict
from components.metrics.bootstrap import Interval, paired_difference
from components.metrics.speckle import Fidelity, Suppression
from components.raster.grid import Window
from components.raster.radiometry import mean_intensity
from components.raster.scene import Scene
from components.raster.stacks import opera_stack
from components.simulation.radar_series import radar_series
from components.simulation.speckle import Speckle, speckled
from components.tasks import load_run, load_task
from components.tasks.bundle import restore
from components.tasks.chips import Chip, Prepared, pack
from components.tasks.despeckling.classical import FILTERS, SceneFilter
from components.tasks.despeckling.options import MethodOptions
from components.tasks.despeckling.reference_scoring import even
from components.tasks.despeckling.scenes import FILTERED, NOISY, REFERENCE, answer
from components.tasks.despeckling.scoring import measure as rows_of
from components.tasks.despeckling.scoring import summarise
from components.tasks.params import RunParams
from components.tasks.seam import Network, Row, Sample

PROJECT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("SWATH_REAL_DATA", PROJECT.parent / "shared/data"))
OPERA = REAL / "change_sar" / "opera_rtc_s1_10SGD"
SINGLE_LOOK = REAL / "sar_speckle" / "deepdespeckling" / "test_image_data.npy"
LAND = ("292319-IW2", "292320-IW2", "292323-IW2", "292325-IW1")
SEA = ("292321-IW1",)
RIVAL = "sar-bm3d"
SEED = 1000
TEMPORAL = (2, 4, 8)
STEPS = 12


def measure() -> list[dict[str, Any]]:
    """The share of a training step that its batch costs, for pairs of dates and for drawn speckle."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepared = _simulated(Path(folder))
        for what, speckle in (("pairs of dates", "seen"), ("drawn speckle", "drawn")):
            share = _loader_share(prepared, speckle)
            rows.append({"name": f"despeckling, batch over training step, {what}", "value": share, "unit": ""})
    return [{**row, "limit": 0.25, "less_is_better": True} for row in rows]


def _simulated(folder: Path) -> Prepared:
    series = radar_series(1, (128, 128), dates=20, seen=Speckle(4.4)).stack
    chip = Chip("a", "a", "a", Window(0, 0, 128, 128), {"series": series})
    return pack(iter([chip]), folder)


def _loader_share(prepared: Prepared, speckle: str) -> float:
    """Seconds of the processor for a batch over those for forward and backward; the first of each warms up."""
    method = {"name": "dilated-residual", "looks": 4.4, "loss": "likelihood", "width": 32, "speckle": speckle}
    split = {"kind": "places", "train": ["a"], "val": [], "test": []}
    about = {"task": "despeckling", "dataset": "-", "description": "-", "split": split, "method": method}
    run = RunParams.model_validate(about)
    task = load_task(run.task)
    samples = task.samples(prepared.of(run.split.folds()[0]), "train", run)
    network = task.methods(run).candidate
    assert isinstance(network, Network)
    network = network.prepared_for(samples)
    loading = stepping = 0.0
    for step in range(STEPS + 1):
        times = [time.process_time()]
        batch = network.collate([samples[8 * step + index] for index in range(8)])
        times.append(time.process_time())
        sum(network.losses(network.module, batch).values()).backward()  # type: ignore[union-attr]
        times.append(time.process_time())
        loading, stepping = (
            (loading + times[1] - times[0], stepping + times[2] - times[1]) if step else (loading, stepping)
        )
    return loading / stepping


@dataclass(frozen=True)
class Reading:
    """What one method did on all bursts and draws of one number of looks."""

    psnr_db: Mapping[str, NDArray[np.float64]]  # burst and band -> one a draw
    ssim: float
    ratio: tuple[float, float]  # mean and variance on even ground, which is sea
    rows: tuple[Row, ...]


def truths(bursts: tuple[str, ...]) -> Iterator[tuple[str, Scene]]:
    """Mean intensity over all dates, by burst."""
    source = opera_stack(OPERA)
    for burst in bursts:
        part = next(part for parts in source.layers for part in parts if burst in part.path.name)
        yield burst, mean_intensity(source.read(part.window))


def drawn(truth: Scene, looks: float, draw: int) -> Scene:
    """White speckle of that many looks; every method sees the same draws."""
    return truth.with_array(speckled(truth.array, Speckle(looks), SEED + draw))


def read(method: Method, scenes: Mapping[str, Scene], looks: float, draws: int) -> Reading:
    """One method on land and sea; PSNR and SSIM are those of land."""
    psnr: dict[str, list[float]] = {}
    ssim: list[float] = []
    rows: list[Row] = []
    ratios: list[Suppression] = []
    for burst, truth in scenes.items():
        for draw in range(draws):
            noisy = drawn(truth, looks, draw)
            output = predict(method, {NOISY: noisy})
            rows += rows_of(Sample(f"{burst}~{draw}", burst, {NOISY: noisy}, {REFERENCE: truth}), output)
            for band, found, area in _bands(truth, output):
                if burst in SEA:
                    area_found = Suppression.of(noisy.array[band], _array(output)[band], area)
                    ratios += [area_found] if area_found else []
                else:
                    psnr.setdefault(f"{burst} {truth.bands[band]}", []).append(found.psnr_db)
                    ssim.append(found.ssim or float("nan"))
    ratio = (float(np.mean([s.ratio_mean for s in ratios])), float(np.mean([s.ratio_variance for s in ratios])))
    return Reading({name: np.array(each) for name, each in psnr.items()}, float(np.mean(ssim)), ratio, tuple(rows))


def _bands(truth: Scene, output: Outputs) -> Iterator[tuple[int, Fidelity, NDArray[np.bool_]]]:
    for band, (clean, said) in enumerate(zip(truth.array, _array(output), strict=True)):
        found = Fidelity.of(clean, said)
        assert found is not None, "a burst holds pixels"
        yield band, found, even(clean)


def _array(output: Outputs) -> NDArray[Any]:
    filtered = output[FILTERED]
    assert isinstance(filtered, Scene), "a filter answers a scene"
    return filtered.array


def methods(looks: float, run: str | None, weights: Path | None) -> dict[str, Method]:
    """The filters, told the looks, and the network of a run."""
    options = MethodOptions(name="lee", looks=looks)
    found: dict[str, Method] = {name: SceneFilter(options, each) for name, each in FILTERS.items()}
    if run is not None:
        task, params = load_run(run)
        found[run] = restore(task, params, weights or PROJECT / "models" / "weights" / run)
    return found


def transferred(run: str | None, weights: Path | None) -> str:
    """The filters, told the looks of the sample as they are estimated from it, and the network of a run."""
    found: dict[int, dict[str, tuple[Method, tuple[str, ...], _speckle_transfer.Levels]]] = {}
    for side, noisy in _speckle_transfer.sample(SINGLE_LOOK).items():
        looks = _speckle_transfer.measured(noisy, noisy, _speckle_transfer.areas_of(noisy))["ENL"]
        options = MethodOptions(name="lee", bands=("VV",), looks=looks)
        found[side] = {name: (SceneFilter(options, each), ("VV",), None) for name, each in FILTERS.items()}
        if run is not None:
            task, params = load_run(run)
            network = restore(task, params, weights or PROJECT / "models" / "weights" / run)
            assert isinstance(network, Network)
            centre = network.preprocessing.get("centre")
            found[side][run] = (network, tuple(params.method["bands"]), tuple(centre) if centre else None)
    return _speckle_transfer.transfer(SINGLE_LOOK, found)


def unseen(run: str | None, bursts: tuple[str, ...]) -> tuple[str, ...]:
    """The bursts of which a run saw nothing in training or validation."""
    if run is None:
        return bursts
    fold = load_run(run)[1].split.folds()[0]
    seen = {place.rsplit("-", 1)[0] for place in (*fold.train, *fold.val)}
    return tuple(burst for burst in bursts if burst not in seen)


def gain(network: Reading, rival: Reading) -> Interval:
    """How many dB better, over blocks."""
    return paired_difference(network.rows, rival.rows, summarise, "psnr_db")


def table(readings: Mapping[str, Reading], run: str | None) -> str:
    """The readings as Markdown."""
    names = list(next(iter(readings.values())).psnr_db)
    head = ["method", *names, "SSIM", "ratio mean", "ratio variance", *(["run better by"] if run else [])]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, each in readings.items():
        scores = [f"{each.psnr_db[key].mean():.2f} +- {each.psnr_db[key].std(ddof=1):.2f}" for key in names]
        better = [str(gain(readings[run], each)) if name != run else ""] if run else []
        ratio = [f"{value:.3f}" for value in each.ratio]
        lines.append(f"| {' | '.join([name, *scores, f'{each.ssim:.3f}', *ratio, *better])} |")
    return "\n".join(lines)


def temporal(scenes: Mapping[str, Scene], looks: float, dates: int, draws: int) -> Reading:
    """The mean of that many drawn dates: what a filter of one date competes with."""

    class Mean:
        """Answers the mean of draws, whatever it is shown."""

        halo_px, needs_survey = 0, False

        def survey(self, given: Mapping[str, Any]) -> Mean:
            return self

        def predict(self, given: Mapping[str, Any]) -> Outputs:
            noisy = given[NOISY]
            truth = next(each for each in scenes.values() if each.grid.same_as(noisy.grid))
            layers = [noisy.array, *(drawn(truth, looks, SEED + draws * dates + k).array for k in range(dates - 1))]
            return answer(noisy, np.mean(layers, axis=0))

    return read(Mean(), scenes, looks, draws)


def main() -> None:
    """Prints one table a number of looks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=float, nargs="+", default=[1.0, 4.0])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--run", help="a despeckling run whose weights take part")
    parser.add_argument("--weights", type=Path, help="their folder (default: models/weights/<run>)")
    parser.add_argument("--only", nargs="+", help="these methods, beside the run")
    parser.add_argument("--transfer", action="store_true", help="the sample of another sensor instead of bursts")
    parser.add_argument("--merlin", action="store_true", help="learning from the one single-look complex sample")
    given = parser.parse_args()
    if given.merlin:
        print(_merlin.table(SINGLE_LOOK))
        return
    if given.transfer:
        print(transferred(given.run, given.weights))
        return
    scenes = dict(truths((*unseen(given.run, LAND), *unseen(given.run, SEA))))
    for looks in given.looks:
        chosen = methods(looks, given.run, given.weights)
        wanted = {name: each for name, each in chosen.items() if not given.only or name in (*given.only, given.run)}
        readings = {name: read(method, scenes, looks, given.draws) for name, method in wanted.items()}
        if not given.only:
            readings |= {f"mean of {n} dates": temporal(scenes, looks, n, given.draws) for n in TEMPORAL}
        print(f"\n{looks:g} looks, {given.draws} draws\n\n{table(readings, given.run)}")


if __name__ == "__main__":
    main()
