"""Flow: what people corrected becomes a new version of a dataset."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.names import DatasetName
from flows.policy import as_task
from flows.steps import reviewing

merge_corrections = as_task(reviewing.merge, "merge corrections")


@flow(name="review", persist_result=True, result_serializer="json", validate_parameters=True)
def review(
    dataset: DatasetName, review: str, annotations: str = "", by: str = "", commit: str = "HEAD"
) -> dict[str, Any]:
    """Merge the corrections of a review into its dataset: one commit on a branch, the old version stays.

    Args:
        dataset: the dataset, declared in data/sources/
        review: name of the review (a folder of .swath/review/), or the path of its folder
        annotations: Label Studio's JSON, COCO or GeoJSON on the agent's machine; empty: ask the Label Studio server
        by: who drew, for files that do not say it
        commit: commit, branch or tag to work on
    """
    return merge_corrections(dataset, review, annotations, by, commit)
