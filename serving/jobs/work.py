"""One job done: version, inputs, prediction, result. The same job gives the same bytes whenever it is tried again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from components.deployment.loading import LoadedVersion, load_version, read_card, require_golden
from components.deployment.registry import Registry
from components.inference.files import predict_file
from components.raster.decoding import DecoderPool
from components.raster.io import read_scene
from components.raster.scene import Features, Unit
from components.raster.vectors import polygonise, to_geojson
from components.storage.store import file_digest
from components.tasks.seam import OutputSpec
from serving.answers import BACKGROUND, OUTPUT_TAG, RUN_TAG, VERSION_TAG
from serving.jobs.files import JobFiles
from serving.jobs.inputs import fetch, require_fit
from serving.jobs.row import InputRef, Job
from serving.jobs.watch import Watch
from serving.series.job import SeriesWork, is_series
from serving.slot import OtherCode

REQUEST_TAG = "SWATH_REQUEST"


@dataclass(frozen=True)
class Result:
    """What a job came to: a file of ours, its digest and size, and the inputs with all their digests."""

    path: Path
    digest: str
    size: int
    inputs: Mapping[str, InputRef]


class Versions:
    """Versions by run and id, loaded as slots load them; the last one is kept for the next job."""

    def __init__(self, registry: Registry, cache: Path, code_digest: Callable[[str], str]) -> None:
        self._registry, self._cache, self._code_digest = registry, cache, code_digest
        self._kept: LoadedVersion | None = None

    def load(self, run: str, id: str) -> LoadedVersion:
        """The version, verified and golden.

        Raises:
            OtherCode: if other code made it; only a service of that code may use it.
            VersionNotFound, VersionCorrupt, StoreUnavailable: as the registry.
        """
        if self._kept is not None and (self._kept.run, self._kept.id) == (run, id):
            return self._kept
        self._kept = None  # the memory of one version, not of two
        folder = self._registry.fetch(run, id, self._cache)
        task, made_by = read_card(folder)
        own = self._code_digest(task)
        if made_by != own:
            raise OtherCode(f"{run} {id} was made by code {made_by[:12]}, this worker runs {own[:12]}; send it again")
        version = load_version(folder)
        require_golden(version)
        self._kept = version
        return version


@dataclass(frozen=True)
class Workshop:
    """What work on a job needs besides the job."""

    files: JobFiles
    versions: Versions
    decoders: DecoderPool

    def perform(self, job: Job, folder: Path, watch: Watch) -> Result:
        """The result of a job as a file in ``folder``, not yet stored.

        Raises:
            SwathError: what is wrong with the request, the version or the store.
            Stopped: if the watch asked to end.
        """
        version = self.versions.load(job.run, job.version)
        watch.enter("fetching")
        if is_series(job):
            work = SeriesWork(self.files, self.decoders, folder, watch, {REQUEST_TAG: job.request_id})
            path, refs = work.perform(job, version)
            return Result(path, file_digest(path), path.stat().st_size, refs)
        paths, refs = self._inputs(job, version, folder, watch)
        require_fit(paths, version.spec, cast("Unit | None", job.unit))
        watch.enter("predicting")
        output = next(each for each in version.spec.outputs if each.name == job.output)
        path = predicted(job, version, output, paths, watch)
        return Result(path, file_digest(path), path.stat().st_size, refs)

    def _inputs(
        self, job: Job, version: LoadedVersion, folder: Path, watch: Watch
    ) -> tuple[dict[str, Path], dict[str, InputRef]]:
        paths: dict[str, Path] = {}
        refs: dict[str, InputRef] = {}
        for number, each in enumerate(version.spec.inputs):
            raw, clean = folder / f"raw-{number}", folder / f"input-{number}.tif"
            refs[each.name] = fetch(self.files, job.id, each.name, job.inputs[each.name], raw)
            watch.enter("fetching")
            self.decoders.launder(raw, clean, name=each.name)
            raw.unlink()
            paths[each.name] = clean
            watch.enter("fetching")
        return paths, refs


def predicted(job: Job, version: LoadedVersion, output: OutputSpec, paths: Mapping[str, Path], watch: Watch) -> Path:
    """The output of a method over files, as a file beside them.

    Raises:
        SwathError: as the method and the engine.
    """
    folder = next(iter(paths.values())).parent
    bands = {each.name: each.bands for each in version.spec.inputs}
    tile_px = version.params.evaluation.tile_px
    tags = {RUN_TAG: job.run, VERSION_TAG: job.version, OUTPUT_TAG: output.name, REQUEST_TAG: job.request_id}
    features = output.kind == "features"
    raster = folder / ("result.geojson" if features else "result.tif")
    done = predict_file(
        version.method,
        paths,
        raster,
        output=output.name,
        bands=bands,
        resampling=version.spec.resampling,
        tags=tags,
        tile_px=tile_px,
        progress=watch.tile,
        stop=watch.stopping,
    )
    watch.engine = done.timings.as_json()
    watch.enter("storing")
    if features or job.format == "cog":
        return raster
    return _geojson(polygonise(read_scene(raster), skip=(BACKGROUND,)), folder)


def _geojson(features: Features, folder: Path) -> Path:
    path = folder / "result.geojson"
    path.write_text(json.dumps(to_geojson(features), separators=(",", ":")))
    return path
