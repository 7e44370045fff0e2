"""Flow: the five in a row."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.annotation_qa import annotation_qa
from flows.deploy import deploy
from flows.evaluate import evaluate
from flows.ingest import ingest
from flows.names import DatasetName, RunName
from flows.policy import as_task
from flows.steps import training
from flows.steps.workplace import dataset_of

on_gpu = as_task(training.train_on_pool, "train on the gpu pool")


@flow(name="lifecycle", persist_result=True, result_serializer="json", validate_parameters=True)
def lifecycle(run: RunName, source: str = "", commit: str = "HEAD", approval: bool = False) -> dict[str, Any]:
    """Ingest (or simulate), check labels, train, evaluate and deploy one run.

    Args:
        run: which run to bring from data to service
        source: folder of new raw files; empty to use the dataset as it is
        commit: commit, branch or tag to work on
        approval: wait for a person to resume the deployment in the UI before promoting
    """
    dataset = DatasetName(dataset_of(run))
    start = str(ingest(dataset, source, commit=commit)["commit"]) if source else commit
    annotation_qa(dataset, commit=start)
    trained = on_gpu(run, start)
    scored = evaluate(run, commit=str(trained["commit"]))
    deployed = deploy(run, commit=str(scored["commit"]), approval=approval)
    return {"trained": trained, "scored": scored, "deployed": deployed}
