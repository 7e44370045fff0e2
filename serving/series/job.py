"""The series of a job: its files fetched and opened one after the other, its answer a file that is not yet stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from components.deployment.loading import LoadedVersion
from components.deployment.looks import with_looks
from components.raster.decoding import DecoderPool
from components.raster.scene import Unit
from serving.jobs.files import JobFiles
from serving.jobs.inputs import fetch
from serving.jobs.receiving import SERIES
from serving.jobs.row import InputRef, Job
from serving.jobs.watch import Watch
from serving.series.headers import Dated, read_headers
from serving.series.kinds import SeriesFormat, require_series_run
from serving.series.opening import opened
from serving.series.predicting import Listening, Order, predict_series
from serving.series.sending import of_ref


def is_series(job: Job) -> bool:
    """True where a job was accepted with a time series."""
    return "files" in job.inputs.get(SERIES, {})


@dataclass(frozen=True)
class SeriesWork:
    """What work on the series of a job needs besides the job."""

    files: JobFiles
    decoders: DecoderPool
    folder: Path
    watch: Watch
    tags: Mapping[str, str]

    def perform(self, job: Job, version: LoadedVersion) -> tuple[Path, dict[str, InputRef]]:
        """The answer as a file in the folder, and the inputs with all their digests.

        Raises:
            SwathError: what is wrong with the series, the version or the store.
            Stopped: if the watch asked to end.
        """
        wanted = require_series_run(version, [version], job.task)
        ref = job.inputs[SERIES]
        asked = with_looks(version, ref["looks"]) if "looks" in ref else version
        dates, refs = self._fetched(job, ref["files"])
        headers = read_headers(dates, wanted, cast("Unit | None", job.unit), self.decoders)
        source = opened(headers, self.folder, self.decoders, lambda: self.watch.enter("fetching"))
        self.watch.enter("predicting")
        output = next(each for each in asked.spec.outputs if each.name == job.output)
        order = Order(asked, wanted, output, cast("SeriesFormat", job.format), self.tags)
        path, timings = predict_series(order, source, self.folder, Listening(self.watch.tile, self.watch.stopping))
        self.watch.engine = timings.as_json()
        self.watch.enter("storing")
        return path, {SERIES: {**ref, "files": refs}}

    def _fetched(self, job: Job, refs: list[InputRef]) -> tuple[list[Dated], list[InputRef]]:
        dates, found = [], []
        for number, ref in enumerate(refs):
            self.watch.enter("fetching")
            raw = self.folder / f"raw-{number:04d}"
            found.append(fetch(self.files, job.id, ref["name"], ref, raw))
            dates.append(Dated(of_ref(ref), raw))
        return dates, found
