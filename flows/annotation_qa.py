"""Flow: are the labels of a dataset good enough to learn from."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.names import DatasetName
from flows.policy import as_task
from flows.steps import data

check_labels = as_task(data.check_labels, "check labels")


@flow(name="annotation-qa", persist_result=True, result_serializer="json", validate_parameters=True)
def annotation_qa(dataset: DatasetName, commit: str = "HEAD", keep: bool = False) -> dict[str, Any]:
    """Check the labels of a dataset: its rules, and where asked for its label noise; report, pictures and Data Docs.

    Args:
        dataset: the dataset, declared in data/sources/
        commit: commit, branch or tag to work on
        keep: commit the quarantine beside the data, so that no training learns from what it leaves out
    """
    return check_labels(dataset, commit, keep)
