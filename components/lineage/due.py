"""Which stages must run: DVC's word on it, and the data without which they cannot."""

from __future__ import annotations

import json
import logging
from typing import Any

from components.errors import DataMissing
from components.lineage.checkouts import Checkout
from components.lineage.closure import files_digest
from components.lineage.commands import dvc
from components.lineage.pipeline import Pipeline, Stage, out_hash, recorded
from components.lineage.transfer import materialise

logger = logging.getLogger(__name__)

_NOT_HERE = ("deleted", "not in cache")  # DVC's words for data that was not brought here


def due(checkout: Checkout, pipeline: Pipeline, order: tuple[Stage, ...]) -> set[Stage]:
    """The stages that DVC finds out of date or that were made from other data, and all that need them.

    Data that merely is not here yet does not count.
    """
    entries = recorded(checkout.path)
    doubtful = [s for s in order if s.name in entries and checkout.seen.get(s.name) != sight(checkout, pipeline, s)]
    said: dict[str, Any] = {}
    if doubtful:
        said = json.loads(dvc(checkout.path, "status", "--json", *(s.address for s in doubtful)) or "{}")
    stale: set[Stage] = set()
    for stage in order:
        fed_otherwise = stage.name not in entries or _fed_otherwise(checkout, pipeline, stage, entries[stage.name])
        if fed_otherwise or _makers(pipeline, stage) & stale or _out_of_date(said.get(stage.address, ()), pipeline):
            stale.add(stage)
        elif stage in doubtful:
            checkout.seen[stage.name] = sight(checkout, pipeline, stage)
    return stale


def sight(checkout: Checkout, pipeline: Pipeline, stage: Stage) -> str:
    """What would have to change for a stage to become out of date: code, parameters, and what is recorded of it."""
    code = [dep for dep in stage.deps if pipeline.maker(dep) is None]
    entry = json.dumps(recorded(checkout.path).get(stage.name), sort_keys=True)
    return f"{files_digest([*code, *stage.params, *stage.uncached], checkout.path)} {stage.command} {entry}"


def gather(checkout: Checkout, pipeline: Pipeline, order: tuple[Stage, ...], stale: set[Stage]) -> None:
    """What stale stages need and the target's outputs, from cache or remote; ``stale`` grows by what is nowhere.

    Only what is needed is brought: a stage that is up to date and whose outputs nobody reads leaves no bytes here.
    """
    for stage in reversed(order):
        wanted = stage is order[-1] or any(stage in _makers(pipeline, later) for later in stale)
        if stage in stale or not wanted:
            continue
        try:
            materialise(checkout, pipeline, stage.outs)
        except DataMissing as missing:
            logger.info("%s; %s runs again", missing, stage.name)
            stale.add(stage)


def _makers(pipeline: Pipeline, stage: Stage) -> set[Stage]:
    return {maker for dep in stage.deps if (maker := pipeline.maker(dep))}


def _fed_otherwise(checkout: Checkout, pipeline: Pipeline, stage: Stage, entry: dict[str, Any]) -> bool:
    """Whether a stage was recorded with other data than its makers are now recorded with.

    DVC compares recorded data with files, so it cannot say this of data that is not here: a stage whose maker ran
    again elsewhere (other packages, another processor, new labels) would pass for up to date.
    """
    used = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
    for path in pipeline.data_deps(stage):
        maker = pipeline.maker(path)
        if maker is None or path not in maker.outs or path not in used:
            continue  # a file within an output: DVC says of it what can be said
        if out_hash(checkout.path, maker, path) != used[path]:
            return True
    return False


def _out_of_date(changes: list[Any], pipeline: Pipeline) -> bool:
    for change in changes:
        if isinstance(change, str):  # "changed command", "always changed"
            return True
        for path, state in (item for part in change.values() for item in part.items()):
            if state not in _NOT_HERE or pipeline.maker(path) is None:
                return True
    return False
