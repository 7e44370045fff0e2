"""Flow: score a trained run and decide."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.names import RunName
from flows.policy import as_task
from flows.steps import scoring

score_run = as_task(scoring.evaluate, "score")


@flow(name="evaluate", persist_result=True, result_serializer="json", validate_parameters=True)
def evaluate(run: RunName, commit: str = "HEAD") -> dict[str, Any]:
    """Score a trained run against its baselines and the version in service, and say what the gate decides.

    Args:
        run: which run to score
        commit: the branch that training left, or any commit that holds trained weights
    """
    return score_run(run, commit)
