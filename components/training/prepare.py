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
from components.tasks.acquisitions import SharedPass, shared_passes, split_sources
from components.tasks.chips import LEFT_OUT, Prepared, pack
from components.tasks.leakage import require_no_copies, require_no_leakage, require_places
from components.tasks.params import Fold, RunParams
from components.tasks.quarantine import FILE, LeftOut, Suspicion, quarantine_of, require_known_scenes
from components.tasks.seam import Task

logger = logging.getLogger(__name__)

MOST_NAMED = 10


def prepare_run(
    task: Task,
    params: RunParams,
    sources: Sequence[Source],
    folder: Path,
    quarantine: Sequence[Suspicion] | None = None,
) -> Prepared:
    """The chips of a run, packed into ``folder``; what lay there is replaced in one step, or stays on failure.

    Chips that the quarantine leaves out are marked in the index and belong to no training split. They stay in
    validation and test: a score on what is easy to label would flatter.

    Raises:
        BadParams: if split and data disagree on the places, or the quarantine names a scene that is not there.
        LeakageFound: if chips of different splits come too near, or show the same pixels.
        NotEnoughData: if there is no chip.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if quarantine is not None:
        require_known_scenes(quarantine, [source.id for source in sources], f"{params.dataset}/{FILE}")
    left_out = None if quarantine is None else LeftOut(quarantine)
    try:
        prepared = pack(iter(task.prepare(sources, params)), partial, left_out)
        folds = params.split.folds()
        require_places(tuple(prepared.index["place"]), folds, folder.name)
        require_no_leakage(prepared.index, folds, params.split.guard_m)
        require_no_copies(prepared, folds)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Prepared(folder)


def said_of_quarantine(prepared: Prepared, folds: Sequence[Fold]) -> str:
    """How many chips the quarantine keeps from training, and which of them are still scored; empty without one."""
    if LEFT_OUT not in prepared.index:
        return ""
    marked = prepared.index[prepared.index[LEFT_OUT] != ""]
    trained = {place for fold in folds for place in fold.train}
    scored = {place for fold in folds for place in (*fold.val, *fold.test)}
    left, kept = int(marked["place"].isin(trained).sum()), marked.loc[marked["place"].isin(scored), "chip"]
    shown = f" ({', '.join(kept[:MOST_NAMED])}{', ...' if len(kept) > MOST_NAMED else ''})" if len(kept) else ""
    return f"; quarantine: {left} chips left out of training, {len(kept)} suspect ones still validated or tested{shown}"


def said_of_passes(shared: Sequence[SharedPass]) -> str:
    """That sources of different splits were seen in one pass, with the first of them."""
    first = f"{shared[0].left} and {shared[0].right} ({shared[0].distance_m / 1000:.0f} km apart)"
    more = f", and {len(shared) - 1} more pairs" if len(shared) > 1 else ""
    return f"one satellite saw {first}{more} in one pass, and they stand in different splits: same air, same light"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the stage."""
    parser = argparse.ArgumentParser(prog="python -m components.training.prepare", description=__doc__)
    parser.add_argument("run")
    run = parser.parse_args(arguments).run
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        task, params = load_run(run)
        dataset = Path("data/sources") / params.dataset
        sources = read_sources(dataset / "raw")
        prepared = prepare_run(task, params, sources, Path("data/prepared") / run, quarantine_of(dataset))
    except SwathError as error:
        logger.error("%s", error)  # noqa: TRY400 - one sentence for a person, no traceback
        return 1
    places, said = prepared.index["place"].nunique(), said_of_quarantine(prepared, params.split.folds())
    logger.info("%s: %d chips of %d places%s", run, len(prepared.index), places, said)
    folds = params.split.folds()
    if split := split_sources(prepared.index, folds):
        logger.warning("chips of one scene stand in different splits: %s", ", ".join(split[:MOST_NAMED]))
    if shared := shared_passes(prepared.index, folds):
        logger.warning("%s", said_of_passes(shared))
    return 0


if __name__ == "__main__":
    sys.exit(main())
