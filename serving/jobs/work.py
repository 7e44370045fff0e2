"""One job done: version, inputs, prediction, result. The same job gives the same bytes whenever it is tried again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, cast

from components.deployment.loading import LoadedVersion, load_version, read_card, require_golden
from components.deployment.registry import Registry
from components.inference.files import predict_file
from components.inference.tiled import predict
from components.raster.io import read_scene
from components.raster.scene import Features, Unit
from components.raster.vectors import polygonise, to_geojson
from components.storage.store import file_digest
from components.tasks.seam import OutputSpec
from serving.answers import BACKGROUND, OUTPUT_TAG, RUN_TAG, VERSION_TAG
from serving.jobs.files import JobFiles
from serving.jobs.inputs import Launder, fetch, require_fit
from serving.jobs.row import InputRef, Job
from serving.jobs.watch import Watch
from serving.slots import OtherCode

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
    launder: Launder

    def perform(self, job: Job, folder: Path, watch: Watch) -> Result:
        """The result of a job as a file in ``folder``, not yet stored.

        Raises:
            SwathError: what is wrong with the request, the version or the store.
            Stopped: if the watch asked to end.
        """
        version = self.versions.load(job.run, job.version)
        watch.enter("fetching")
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
            self.launder(raw, clean, each.name)
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
    if output.kind == "features":
        scenes = {name: read_scene(path, bands=bands[name]) for name, path in paths.items()}
        found = predict(version.method, scenes, tile_px=tile_px, progress=watch.tile)[output.name]
        return _geojson(found, folder) if isinstance(found, Features) else _geojson(polygonise(found), folder)
    tags = {RUN_TAG: job.run, VERSION_TAG: job.version, OUTPUT_TAG: output.name, REQUEST_TAG: job.request_id}
    raster = folder / "result.tif"
    report = predict_file(
        version.method, paths, raster, output=output.name, bands=bands, tags=tags, tile_px=tile_px, progress=watch.tile
    )
    watch.engine = engine_timings(report)
    watch.enter("storing")
    return raster if job.format == "cog" else _geojson(polygonise(read_scene(raster), skip=(BACKGROUND,)), folder)


def engine_timings(report: object) -> dict[str, Any]:
    """The engine's own seconds, where it gave any."""
    timings = getattr(report, "timings", None)
    return asdict(timings) if is_dataclass(timings) and not isinstance(timings, type) else {}


def _geojson(features: Features, folder: Path) -> Path:
    path = folder / "result.geojson"
    path.write_text(json.dumps(to_geojson(features), separators=(",", ":")))
    return path
