"""A stage brought up to date: DVC says whether, this module makes sure that what is recorded is what happened."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.errors import LineageBroken, StageFailed
from components.lineage.checkouts import Checkout
from components.lineage.closure import files_digest
from components.lineage.commands import environment
from components.lineage.due import due, gather, sight
from components.lineage.group import run_group
from components.lineage.guard import require_code_in
from components.lineage.lease import lease
from components.lineage.manifest import digests
from components.lineage.outputs import prove, record
from components.lineage.pipeline import LOCKS, Pipeline, Stage, recorded
from components.lineage.runcache import forget
from components.lineage.transfer import materialise

logger = logging.getLogger(__name__)

_CHATTER = (
    "To track the changes",
    "\tgit add",
    "To enable auto staging",
    "\tdvc config",
    "Use `dvc push`",
)  # DVC's advice
How = Literal["computed", "restored", "unchanged"]
OnLine = Callable[[str], None]


@dataclass(frozen=True)
class StageResult:
    """What became of a stage: ``how`` its outputs came to be there, and whether what is recorded of it changed."""

    stage: str
    commit: str
    changed: bool
    seconds: float
    how: How


def repro(
    checkout: Checkout, stage: str, *, on_line: OnLine | None = None, timeout_s: float | None = None
) -> StageResult:
    """A stage, and first every stage that it needs, brought up to date in a checkout; its outputs are there and proved.

    Each stage runs once at a time in all flows of a project, in a process group that ends with us. Its data is proved
    before it starts, and all that it read must be the same when it ends.

    Raises:
        StageFailed: if a command fails or takes longer than ``timeout_s``; holds its last lines.
        LineageBroken: if inputs changed meanwhile, or data is not what was recorded. Nothing of it is recorded then.
        UnknownName: if there is no such stage.
    """
    began = time.monotonic()
    pipeline = Pipeline(checkout.path)
    order = pipeline.upstream(stage)
    require_code_in(checkout.path)
    stale = due(checkout, pipeline, order)
    gather(checkout, pipeline, order, stale)
    target = order[-1]
    before = recorded(checkout.path).get(target.name)
    how: How = "unchanged"
    for each in order:
        if each in stale:
            how = _one(checkout, pipeline, each, on_line, timeout_s)
    if target not in stale:
        record(checkout, target, pipeline)
        how = "unchanged"
    changed = recorded(checkout.path).get(target.name) != before
    return StageResult(target.name, checkout.commit, changed, round(time.monotonic() - began, 3), how)


def _one(checkout: Checkout, pipeline: Pipeline, stage: Stage, on_line: OnLine | None, timeout_s: float | None) -> How:
    data = pipeline.data_deps(stage)
    with lease(checkout.project, checkout.commit, stage.name, files_digest(stage.params, checkout.path)):
        materialise(checkout, pipeline, data)
        for path in data:
            prove(checkout, path, pipeline)
        with _locks_restored(checkout.path, stage):
            before = _inputs(checkout.path, stage)
            how = _run(checkout, stage, on_line, timeout_s)
            try:
                _require_same(before, _inputs(checkout.path, stage), stage)
                record(checkout, stage, pipeline)
                checkout.seen[stage.name] = sight(checkout, pipeline, stage)
            except LineageBroken:
                forget(checkout, recorded(checkout.path).get(stage.name))
                raise
    return how


def _run(checkout: Checkout, stage: Stage, on_line: OnLine | None, timeout_s: float | None) -> How:
    how: How = "unchanged"

    def listen(line: str) -> None:
        nonlocal how
        if line.startswith("Running stage "):
            how = "computed"
        elif line.startswith("Stage ") and "is cached - skipping run" in line:
            how = "restored"
        logger.debug("%s", line)
        if on_line and line and not line.startswith(_CHATTER):
            on_line(line)

    pulling = ["--pull"] if checkout.remote else []  # what another machine has made of the same inputs
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *pulling, stage.address]
    extra = {
        "SWATH_CHECKOUT": str(checkout.path),
        "SWATH_STATE": str(checkout.project / ".swath"),  # checkpoints outlive the checkout
        "PYTHONUNBUFFERED": "1",
    }
    done = run_group(
        command, checkout.path, environment(checkout.path, extra), on_line=listen, timeout_s=timeout_s
    )  # fmt: skip
    if done.code != 0:
        raise StageFailed(f"{stage.name} failed: {_telling(done.tail)}")
    return how


def _telling(tail: tuple[str, ...]) -> str:
    """The command's own last words rather than DVC's remark that it failed."""
    words = [line.strip() for line in tail if line.strip() and not line.startswith("ERROR: failed to reproduce")]
    return " | ".join(words[-3:]) or "no message"


def _inputs(root: Path, stage: Stage) -> dict[str, str]:
    return {
        f"{path}/{name}".removesuffix("/."): digest
        for path in (*stage.deps, *stage.params)
        for name, digest in digests(root / path).items()
        if "__pycache__" not in name
    }


def _require_same(before: dict[str, str], after: dict[str, str], stage: Stage) -> None:
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    if changed:
        raise LineageBroken(
            f"{stage.name}: inputs changed while it ran: {', '.join(changed)}; nothing is recorded, run it again"
        )


@contextmanager
def _locks_restored(root: Path, stage: Stage) -> Iterator[None]:
    """Lock files as they were before, if the stage does not end well."""
    before = {path: path.read_bytes() if path.is_file() else None for path in (root / lock for lock in LOCKS)}
    try:
        yield
    except BaseException:
        logger.info("%s did not end well: its lock entry is taken back", stage.name)
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        raise
