"""The stage `prepare`: `python -m components.training.prepare <run>` cuts chips and refuses splits that leak."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import SwathError
from components.raster.dataset import Source, read_sources
from components.tasks import load_run
from components.tasks.chips import Prepared, pack
from components.tasks.leakage import require_no_leakage, require_places
from components.tasks.params import RunParams
from components.tasks.seam import Task

logger = logging.getLogger(__name__)


def prepare_run(task: Task, params: RunParams, sources: Sequence[Source], folder: Path) -> Prepared:
    """The chips of a run, packed into ``folder``; what lay there is replaced in one step, or stays on failure.

    Raises:
        BadParams: if split and data disagree on the places.
        LeakageFound: if chips of different splits come too near.
        NotEnoughData: if there is no chip.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        prepared = pack(iter(task.prepare(sources, params)), partial)
        folds = params.split.folds()
        require_places(tuple(prepared.index["place"]), folds, folder.name)
        require_no_leakage(prepared.index, folds, params.split.guard_m)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Prepared(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the stage."""
    parser = argparse.ArgumentParser(prog="python -m components.training.prepare", description=__doc__)
    parser.add_argument("run")
    run = parser.parse_args(arguments).run
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        task, params = load_run(run)
        sources = read_sources(Path("data/sources") / params.dataset / "raw")
        prepared = prepare_run(task, params, sources, Path("data/prepared") / run)
    except SwathError as error:
        logger.error("%s", error)  # noqa: TRY400 - one sentence for a person, no traceback
        return 1
    logger.info("%s: %d chips of %d places", run, len(prepared.index), prepared.index["place"].nunique())
    return 0


if __name__ == "__main__":
    sys.exit(main())
