"""A series of trusted files to the file that answers it: one output, all of them, or one for every date."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from components.deployment.loading import LoadedVersion
from components.inference.engine import Progress, Stop
from components.inference.files import predict_file
from components.inference.timings import Timings
from components.raster.io import read_scene
from components.raster.stacks import StackSource
from components.raster.vectors import polygonise, to_geojson
from components.tasks.seam import InputSpec, OutputSpec
from serving.answers import BACKGROUND, OUTPUT_TAG, RUN_TAG, VERSION_TAG, as_png
from serving.jobs.receiving import SERIES
from serving.series.dates import on_one_date
from serving.series.kinds import SeriesFormat, is_by_date
from serving.series.opening import each_date

EPOCH = (1980, 1, 1, 0, 0, 0)  # of every entry: the same answer has the same bytes


@dataclass(frozen=True)
class Order:
    """What is asked of a series: which version, which output of it, as what; ``tags`` go into every raster."""

    version: LoadedVersion
    wanted: InputSpec
    output: OutputSpec
    format: SeriesFormat
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Listening:
    """Who is told of tiles, and who may stop the work between two of them."""

    progress: Progress | None = None
    stop: Stop | None = None

    def of_part(self, index: int, count: int) -> Progress | None:
        """The progress of one of ``count`` predictions of equally many tiles each, as that of the whole."""
        told = self.progress
        return None if told is None else lambda done, total: told(index * total + done, count * total)


def predict_series(
    order: Order, source: StackSource, folder: Path, listening: Listening | None = None
) -> tuple[Path, Timings]:
    """The answer as a file in ``folder``, and the engine's timings: those of all dates together.

    A run on series answers the output, or in an archive all outputs; a run on scenes answers every date by itself, in
    an archive with the output `<output>-<date>.tif`.

    Raises:
        SwathError: as the method and the engine.
        OSError: if the disk is full.
    """
    heard = listening or Listening()
    if is_by_date(order.version.spec):
        return _every_date(order, source, folder, heard)
    if order.format == "zip":
        return _every_output(order, source, folder, heard)
    path = folder / _file_name(order.output)
    timings = _predicted(order, source, {order.output.name: path}, heard.of_part(0, 1), heard.stop)
    return _in_format(order, path), timings


def _every_date(order: Order, source: StackSource, folder: Path, heard: Listening) -> tuple[Path, Timings]:
    names = _names_of_dates(order.output, source)
    timings: list[Timings] = []

    def files() -> Iterator[tuple[str, Path]]:
        for index, (name, date) in enumerate(zip(names, each_date(source), strict=True)):
            path = folder / name
            heard_of = heard.of_part(index, len(names))
            timings.append(_predicted(order, date, {order.output.name: path}, heard_of, heard.stop))
            yield name, path

    return _archive(folder / "answer.zip", files()), _together(timings)


def _every_output(order: Order, source: StackSource, folder: Path, heard: Listening) -> tuple[Path, Timings]:
    paths = {each.name: folder / _file_name(each) for each in order.version.spec.outputs}
    timings = _predicted(order, source, paths, heard.of_part(0, 1), heard.stop)
    return _archive(folder / "answer.zip", ((path.name, path) for path in paths.values())), timings


def _predicted(
    order: Order, source: StackSource, paths: Mapping[str, Path], progress: Progress | None, stop: Stop | None
) -> Timings:
    version, wanted = order.version, order.wanted
    (first, out), *others = paths.items()
    by_date = is_by_date(version.spec)
    done = predict_file(
        on_one_date(version.method, wanted) if by_date else version.method,
        {SERIES if by_date else wanted.name: source},
        out,
        output=first,
        also=dict(others),
        tags={RUN_TAG: version.run, VERSION_TAG: version.id, **order.tags, **_of_output(paths)},
        tile_px=version.params.evaluation.tile_px,
        progress=progress,
        stop=stop,
    )
    return done.timings


def _together(timings: Sequence[Timings]) -> Timings:
    """Seconds, pixels and tiles of all predictions; the highest memory of any."""
    summed = {each.name: sum(getattr(one, each.name) for one in timings) for each in fields(Timings)}
    return Timings(**{**summed, "peak_mb": max(one.peak_mb for one in timings)})


def _of_output(paths: Mapping[str, Path]) -> dict[str, str]:
    """The tag of the output; several files are written with the same tags, and their names say which is which."""
    return {OUTPUT_TAG: next(iter(paths))} if len(paths) == 1 else {}


def _in_format(order: Order, path: Path) -> Path:
    """The file that was written, or what is made of it for a caller who wants polygons or a picture."""
    if order.format == "png":
        picture = path.with_suffix(".png")
        picture.write_bytes(as_png(read_scene(path)))
        return picture
    if order.format == "geojson" and order.output.kind == "classes":
        vectors = path.with_suffix(".geojson")
        features = polygonise(read_scene(path), skip=(BACKGROUND,))
        vectors.write_text(json.dumps(to_geojson(features), separators=(",", ":")))
        return vectors
    return path


def _archive(path: Path, files: Iterator[tuple[str, Path]]) -> Path:
    """The files in one archive, stored as they are (rasters are compressed); each is gone once it is in."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.file_size = file.stat().st_size
            with file.open("rb") as content, archive.open(entry, "w") as target:
                shutil.copyfileobj(content, target, 2**20)
            file.unlink()
    return path


def _file_name(output: OutputSpec) -> str:
    return f"{output.name}.{'geojson' if output.kind == 'features' else 'tif'}"


def _names_of_dates(output: OutputSpec, source: StackSource) -> list[str]:
    """One name a date: the day, and the time of day where a day has several passes."""
    days = [f"{date:%Y%m%d}" for date in source.dates]
    stamps = days if len(set(days)) == len(days) else [f"{date:%Y%m%dT%H%M%SZ}" for date in source.dates]
    suffix = "geojson" if output.kind == "features" else "tif"
    return [f"{output.name}-{stamp}.{suffix}" for stamp in stamps]
