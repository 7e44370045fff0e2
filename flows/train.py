"""Flow: train a run at a commit."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.names import RunName
from flows.policy import as_task
from flows.steps import training

train_run = as_task(training.train, "train")


@flow(name="train", persist_result=True, result_serializer="json", validate_parameters=True)
def train(run: RunName, commit: str = "HEAD") -> dict[str, Any]:
    """Prepare the chips of a run and train it; the result is one commit on a branch of its own.

    Args:
        run: which run to train
        commit: commit, branch or tag to work on
    """
    return train_run(run, commit)
