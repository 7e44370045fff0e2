"""A folder of its own for every flow run: code and data of one commit, gone when the run is over."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from uuid import uuid4

from components.errors import LineageBroken
from components.lineage.commands import changed_files, git, git_holds
from components.lineage.locks import held, is_free, project_lock
from components.lineage.remote import Remote, dvc_cache, write_local_config

logger = logging.getLogger(__name__)

LOCK_FILE = "requirements.lock"


@dataclass(frozen=True)
class Checkout:
    """One commit in a folder of its own, sharing the project's DVC cache.

    ``source``: the git URL that the commit was brought from, if it was not the project itself.
    ``seen``: what was found up to date here, by stage: nobody else works in this folder.
    """

    path: Path
    commit: str
    project: Path
    remote: Remote | None = None
    source: str | None = None
    seen: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def cache(self) -> Path:
        """The project's DVC cache, which every checkout shares."""
        return dvc_cache(self.project)


@contextmanager
def checkout(
    project: Path,
    commit: str = "HEAD",
    *,
    remote: Remote | None = None,
    name: str | None = None,
    source: str | None = None,
) -> Iterator[Checkout]:
    """A checkout of ``commit`` under `.swath/checkouts/`, removed on leaving: normally, on errors, Ctrl-C and SIGTERM.

    Checkouts of processes that were killed are removed on the way. The user's own folder is only read.

    Args:
        project: the project that holds git, the DVC cache and the state in `.swath/`.
        commit: anything that git resolves.
        remote: where DVC pulls from and pushes to; None: nowhere, only the cache counts.
        name: name of the folder; made unique.
        source: git URL to bring the commit from; None: from the project itself.

    Raises:
        LineageBroken: if there is no such commit, or it was locked for other package versions than are installed.
    """
    project = project.resolve()
    prune(project)
    path = project / ".swath" / "checkouts" / f"{name or 'run'}-{uuid4().hex[:8]}"
    with _terminable(), held(path.with_suffix(".lock"), f"checkout {path.name}", timeout_s=10.0):
        try:
            resolved = _bring(project, commit, path, source)
            _require_same_environment(project, path)
            write_local_config(path, dvc_cache(project), remote)
            yield Checkout(path, resolved, project, remote, source)
        finally:
            _remove(project, path)
            path.with_suffix(".lock").unlink(missing_ok=True)


def uncommitted(project: Path) -> tuple[str, ...]:
    """Project-relative files that are changed or new but in no commit: a run does not use them."""
    return changed_files(project, untracked="normal")


def prune(project: Path) -> tuple[str, ...]:
    """Names of the checkouts that were removed because the process that owned them is gone."""
    folder = project / ".swath" / "checkouts"
    removed = []
    for path in sorted(folder.glob("*/")):
        if is_free(path.with_suffix(".lock")):
            logger.info("removing the checkout %s of a process that is gone", path.name)
            _remove(project, path)
            path.with_suffix(".lock").unlink(missing_ok=True)
            removed.append(path.name)
    return tuple(removed)


def _bring(project: Path, commit: str, path: Path, source: str | None) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with project_lock(project, f"checkout of {commit}"):
        if source is not None:
            git(project, "clone", "--quiet", "--no-checkout", source, str(path))
            resolved = _resolved(path, commit) or _resolved(path, f"origin/{commit}")
        else:
            resolved = _resolved(project, commit)
        if not resolved:
            raise LineageBroken(f"no commit {commit} in {source or project}; commit or push it first")
        if source is not None:
            git(path, "checkout", "--quiet", "--detach", resolved)
        else:
            git(project, "worktree", "add", "--quiet", "--detach", str(path), resolved)
    return resolved


def _resolved(folder: Path, commit: str) -> str | None:
    name = f"{commit}^{{commit}}"
    if not git_holds(folder, "rev-parse", "--verify", "--quiet", name):
        return None
    return git(folder, "rev-parse", "--verify", "--quiet", name)


def _require_same_environment(project: Path, path: Path) -> None:
    ours, theirs = project / LOCK_FILE, path / LOCK_FILE
    mine = ours.read_bytes() if ours.is_file() else b""
    if mine != (theirs.read_bytes() if theirs.is_file() else b""):
        raise LineageBroken(
            f"the commit's {LOCK_FILE} differs from {ours}, which is installed; "
            "run a commit with the same lock file, or install its packages and check its lock file out first"
        )


def _remove(project: Path, path: Path) -> None:
    """The folder and git's record of it gone; a checkout half made counts too."""
    with project_lock(project, f"removal of {path.name}"):
        shutil.rmtree(path, ignore_errors=True)
        if git_holds(project, "rev-parse", "--git-dir"):
            git(project, "worktree", "prune")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the process by an exception, so that what is open here is closed; unless somebody handles it."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not cut the cleaning up short
    raise SystemExit(128 + number)
