"""The stage `evaluate`: `python -m components.evaluation <run>` scores a run's methods and writes its report."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from components.errors import SwathError
from components.evaluation.cost import measure, timings
from components.evaluation.gallery import Gallery, save_scores
from components.evaluation.report import Report, build
from components.evaluation.scoring import Job, Prediction, Scored, megapixels_of, score
from components.evaluation.seal import write_report
from components.evaluation.table import table
from components.raster.atomic import write_text
from components.tasks import load_run
from components.tasks.bundle import restore
from components.tasks.chips import Prepared
from components.tasks.seam import Sample

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the stage."""
    parser = argparse.ArgumentParser(prog="python -m components.evaluation", description=__doc__)
    parser.add_argument("run")
    run = parser.parse_args(arguments).run
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        task, params = load_run(run)
        job = Job(task, params, Prepared(Path("data/prepared") / run), Path("models/weights") / run)
        report = evaluate(run, job, Path("data"), Path(os.environ.get("SWATH_STATE", ".swath")))
    except SwathError as error:
        logger.error("%s", error)  # noqa: TRY400 - one sentence for a person, no traceback
        return 1
    logger.info("%s", table(report))
    return 0


def evaluate(run: str, job: Job, data: Path, state: Path) -> Report:
    """The report of a run, written to ``data/reports``; its timings to ``data/timings``, its pictures to ``state``.

    Raises:
        NotEnoughData: if there is nothing to score.
        UnknownName: if the run was not trained.
    """
    torch.set_num_threads(job.params.training.threads)  # part of what makes two evaluations bit-equal
    gallery = Gallery(job.task, state / "pictures" / run)
    scored, largest = _scored(job, gallery)
    report = build(run, job, scored)
    write_report(report, data / "reports" / f"{run}.json")
    save_scores(report, gallery.folder)
    cost = measure(restore(job.task, job.params, job.weights), largest, job.params.evaluation.tile_px)
    content = json.dumps(timings(run, scored, cost), sort_keys=True, indent=1)
    write_text(data / "timings" / f"{run}.json", f"{content}\n")
    return report


def _scored(job: Job, gallery: Gallery) -> tuple[Scored, Sample]:
    """Rows of all methods, and the largest test sample; every unit drawn on the way."""
    samples: list[Sample] = []
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        line = bar.add_task("evaluate", total=None)

        def watch(prediction: Prediction, done: int, total: int) -> None:
            gallery.show(prediction)
            if not samples or megapixels_of(prediction.sample) > megapixels_of(samples[0]):
                samples[:] = [prediction.sample]
            bar.update(line, completed=done, total=total, description=f"{prediction.fold.name}: {prediction.method}")

        scored = score(job, watch=watch)
    return scored, samples[0]


if __name__ == "__main__":
    sys.exit(main())
