"""Test chips whose labels annotation QA does not believe: scored like all others, and shown apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.scoring import CANDIDATE, Job
from components.tasks.chips import LEFT_OUT
from components.tasks.seam import Row


def shown_apart(job: Job, rows: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """The entry `suspect` of a report; nothing where the dataset has no quarantine or it touches no scored chip.

    It holds the rules against each chip, the units that chips with such labels belong to, and the scores of every
    method without these units (none where no unit is left). The score that counts is that of all units: leaving out
    what is hard to label would flatter.
    """
    index = job.prepared.index
    if LEFT_OUT not in index:
        return {}
    tested = {place for fold in job.params.split.folds() for place in fold.test}
    marked = index[(index[LEFT_OUT] != "") & index["place"].isin(tested)]
    names = {*marked["chip"], *marked["source"], *marked["place"]}
    units = sorted({row.unit for row in rows[CANDIDATE]} & names)
    if marked.empty:
        return {}
    without = {name: [row for row in own if row.unit not in units] for name, own in rows.items()}
    scores = {name: dict(job.task.summarise(own)) if own else {} for name, own in without.items()}
    chips = dict(zip(marked["chip"], marked[LEFT_OUT], strict=True))
    return {"suspect": {"chips": chips, "units": units, "scores_without": scores}}
