"""A run ends as one commit on a branch of its own."""

from __future__ import annotations

from datetime import UTC, datetime

from components.errors import LineageBroken
from components.lineage.checkouts import Checkout
from components.lineage.commands import changed_files, git, git_holds
from components.lineage.locks import project_lock

# All that a run may change in git; code and declarations are what it was run on.
RESULTS = ("dvc.lock", "data/dvc.lock", "data/reports", "data/timings", "data/lineage")


def commit_run(checkout: Checkout, run: str, message: str, also: tuple[str, ...] = ()) -> str:
    """The results in a checkout as one commit on the new branch `runs/<run>/<UTC time>`; answers the branch.

    ``also`` names computed files that this run may change besides: a first quarantine adds itself to the pipeline.
    A run that changed nothing is a commit too: that it was run is worth knowing. A checkout that came from another
    repository sends the branch back there.

    Raises:
        LineageBroken: if anything but results changed in the checkout; names it.
    """
    _require_results_only(checkout, also)
    with project_lock(checkout.project, f"commit of {run}"):
        _stage(checkout)
        git(checkout.path, *identity(checkout), "commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", message)
        branch = _free_name(checkout, f"runs/{run}/{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        git(checkout.path, "branch", branch, "HEAD")
        if checkout.source is not None:
            git(checkout.path, "push", "--quiet", "origin", f"refs/heads/{branch}")
    return branch


def identity(checkout: Checkout) -> tuple[str, ...]:
    """Git options that name an author where git knows none."""
    named = (("user.name", "Swath"), ("user.email", "swath@localhost"))
    return tuple(
        part
        for key, value in named
        if not git_holds(checkout.path, "config", "--get", key)
        for part in ("-c", f"{key}={value}")
    )


def is_result(path: str) -> bool:
    """Whether a project-relative path is one that runs may change."""
    tracked = path.startswith("data/sources/") and path.endswith((".dvc", "/quarantine.parquet", "/profile.json"))
    return tracked or any(path == result or path.startswith(f"{result}/") for result in RESULTS)


def _require_results_only(checkout: Checkout, also: tuple[str, ...]) -> None:
    if others := [path for path in changed_files(checkout.path) if not is_result(path) and path not in also]:
        raise LineageBroken(
            f"the run changed {', '.join(others[:8])}, which are no results; "
            "let stages write their declared outputs only"
        )


def _stage(checkout: Checkout) -> None:
    if paths := changed_files(checkout.path):
        git(checkout.path, "add", "--all", "--", *paths)


def _free_name(checkout: Checkout, name: str) -> str:
    taken, number = name, 2
    while git_holds(checkout.path, "rev-parse", "--verify", "--quiet", f"refs/heads/{taken}"):
        taken, number = f"{name}-{number}", number + 1
    return taken
