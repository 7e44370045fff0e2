"""Flow: a folder of scenes into a dataset."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.names import DatasetName
from flows.policy import as_task
from flows.steps import data

ingest_scenes = as_task(data.ingest, "ingest scenes")


@flow(name="ingest", persist_result=True, result_serializer="json", validate_parameters=True)
def ingest(
    dataset: DatasetName,
    source: str,
    max_lost: Annotated[float, Field(ge=0, le=1)] = 0.2,
    commit: str = "HEAD",
) -> dict[str, Any]:
    """Bring the new scenes of a folder into a dataset; broken ones are quarantined by name.

    Args:
        dataset: the dataset, declared in data/sources/
        source: folder of the raw files, on the agent's machine
        max_lost: largest share of scenes that may be quarantined
        commit: commit, branch or tag to work on
    """
    return ingest_scenes(dataset, source, max_lost, commit)
