"""The same work runs once: whoever comes second waits for the first and then restores its result."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

from components.lineage.locks import held

WAIT_S = 24 * 3600.0  # a training may take long; a dead holder does not keep the lease


def lease(
    project: Path, commit: str, stage: str, params_digest: str, timeout_s: float = WAIT_S
) -> AbstractContextManager[bool]:
    """The right to run a stage of a commit with these parameters, for the length of a `with`.

    Yields:
        Whether somebody else had it first, so that the result is likely to be in the run cache now.

    Raises:
        LineageBroken: if the holder takes longer than ``timeout_s``.
    """
    key = hashlib.sha256(f"{commit}\n{stage}\n{params_digest}".encode()).hexdigest()
    return held(project / ".swath" / "leases" / f"{key}.lock", f"{stage} of {commit[:12]}", timeout_s)
