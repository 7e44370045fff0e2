"""Runs brought home: a three-way union of the lock files by stage name, proved before the user's tree is touched."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.errors import LineageBroken
from components.lineage.checkouts import Checkout, checkout
from components.lineage.commands import dvc, git, git_holds
from components.lineage.commit import identity
from components.lineage.locks import project_lock
from components.lineage.outputs import prove
from components.lineage.pipeline import LOCKS, Pipeline, Stage, parse_lock
from components.lineage.remote import Remote
from components.lineage.transfer import materialise
from components.lineage.union import TIMINGS, Entries, Entry, union

logger = logging.getLogger(__name__)

_UNSAVED = ("modified", "new")  # DVC's words for outputs that differ from what is recorded


@dataclass(frozen=True)
class Merged:
    """What a merge did: the new commit and the stages whose recorded result it brought."""

    commit: str
    stages: tuple[str, ...]


def merge(project: Path, branch: str, *, remote: Remote | None = None) -> Merged:
    """A run's branch merged into the branch that the project is on, with its data.

    Everything happens and is proved in a checkout first; the project then moves forward in one step or stays as it is.

    Raises:
        LineageBroken: names the stage or file that both sides changed, the stage that is out of date on the merged
            code, or the local changes that stand in the way.
    """
    with checkout(project, "HEAD", remote=remote, name="merge") as work:
        head = work.commit
        if not git_holds(project, "rev-parse", "--verify", "--quiet", f"{branch}^{{commit}}"):
            raise LineageBroken(f"no branch {branch}; git branch --list 'runs/*' shows those that are there")
        if git_holds(project, "merge-base", "--is-ancestor", branch, head):
            return Merged(head, ())
        locks = _union_of_locks(work, head, branch)
        _merge_files(work, branch, locks)
        before = _all_entries(work, head)
        stages = tuple(name for name, entry in _flat(locks).items() if entry != before.get(name))
        _require_up_to_date(work, stages)
        git(work.path, *identity(work), "commit", "--quiet", "--no-gpg-sign", "-m", f"Merge {branch}")
        commit = git(work.path, "rev-parse", "HEAD")
        _move_forward(work, commit, stages)
    return Merged(commit, stages)


def _union_of_locks(work: Checkout, head: str, branch: str) -> dict[str, dict[str, Entry]]:
    base = git(work.path, "merge-base", head, branch)
    merged: dict[str, dict[str, Entry]] = {}
    for lock in LOCKS:
        old, ours, theirs = (_entries(work, commit, lock) for commit in (base, head, branch))
        merged[lock] = union(old, ours, theirs, lock)
    return merged


def _entries(work: Checkout, commit: str, lock: str) -> Entries:
    if not git_holds(work.path, "cat-file", "-e", f"{commit}:{lock}"):
        return {}
    return parse_lock(git(work.path, "show", f"{commit}:{lock}"), f"{lock} of {commit}")


def _all_entries(work: Checkout, commit: str) -> Entries:
    return _flat({lock: _entries(work, commit, lock) for lock in LOCKS})


def _flat(locks: Mapping[str, Entries]) -> dict[str, Entry]:
    return {name: entry for entries in locks.values() for name, entry in entries.items()}


def _merge_files(work: Checkout, branch: str, locks: Mapping[str, Entries]) -> None:
    """All files merged by git, the lock files by stage; committed later."""
    try:
        git(work.path, *identity(work), "merge", "--quiet", "--no-ff", "--no-commit", branch)
    except LineageBroken:
        conflicts = set(git(work.path, "diff", "--name-only", "--diff-filter=U").splitlines())
        timings = {path for path in conflicts if path.startswith(TIMINGS)}
        if not conflicts or conflicts - timings - set(LOCKS):
            files = ", ".join(sorted(conflicts - timings - set(LOCKS))) or "nothing that git can name"
            raise LineageBroken(f"{branch}: both sides changed {files}; merge by hand (git merge {branch})") from None
        for path in timings:
            git(work.path, "checkout", "--quiet", "--theirs", "--", path)
    for lock, entries in locks.items():
        if entries:
            content = {"schema": "2.0", "stages": dict(entries)}
            (work.path / lock).write_text(yaml.safe_dump(content, sort_keys=False, width=10_000))
    git(work.path, "add", "--all", "--", ".")


def _require_up_to_date(work: Checkout, names: tuple[str, ...]) -> None:
    """DVC must find nothing to do for the merged stages once their data is here; and the data must be theirs."""
    pipeline = Pipeline(work.path)
    stages = [pipeline.stage(name) for name in names]
    paths = [path for stage in stages for path in (*pipeline.data_deps(stage), *stage.outs)]
    materialise(work, pipeline, list(dict.fromkeys(paths)))
    for path in dict.fromkeys(paths):
        prove(work, path, pipeline)
    if not stages:
        return
    said: dict[str, Any] = json.loads(dvc(work.path, "status", "--json", *(s.address for s in stages)) or "{}")
    if said:
        raise LineageBroken(
            f"out of date on the merged code: {'; '.join(f'{name}: {_shown(why)}' for name, why in said.items())}; "
            "run them again on the current commit"
        )


def _shown(changes: list[Any]) -> str:
    """DVC's answer about one stage in words: `models/weights/x modified`."""
    words = []
    for change in changes:
        parts = [] if isinstance(change, str) else change.values()
        words += (
            [change] if isinstance(change, str) else [f"{path} {how}" for part in parts for path, how in part.items()]
        )
    return ", ".join(words)


def _move_forward(work: Checkout, commit: str, names: tuple[str, ...]) -> None:
    """The project at ``commit`` with the outputs of the merged stages, or as it was."""
    project = work.project
    pipeline = Pipeline(project)
    stages = [pipeline.stage(name) for name in names if name in pipeline.stages]
    with project_lock(project, "merge"):
        if git(project, "rev-parse", "HEAD") != work.commit:
            raise LineageBroken("somebody committed to the branch meanwhile; run swath merge again")
        _require_unchanged(project, stages)
        git(project, "merge", "--quiet", "--ff-only", commit)
        try:
            if paths := [path for stage in stages for path in stage.outs]:
                dvc(project, "checkout", *paths)
        except LineageBroken as error:
            git(project, "reset", "--quiet", "--keep", work.commit)
            raise LineageBroken(f"nothing merged: {error}; mend that first") from error


def _require_unchanged(project: Path, stages: list[Stage]) -> None:
    """Outputs in the user's folder that nobody recorded would be overwritten."""
    here = [stage.address for stage in stages if any((project / path).exists() for path in stage.outs)]
    if not here:
        return
    said: dict[str, Any] = json.loads(dvc(project, "status", "--json", *here) or "{}")
    unsaved = [
        path
        for changes in said.values()
        for change in changes
        if isinstance(change, dict)
        for path, how in change.get("changed outs", {}).items()
        if how in _UNSAVED
    ]
    if unsaved:
        raise LineageBroken(f"{', '.join(unsaved)}: changed here and not recorded; run dvc repro, or remove it")
