"""A flow run's own checkout, with store and remote of the settings in force."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.text import Text

from components.errors import StageFailed
from components.lineage.checkouts import Checkout, checkout, uncommitted
from components.lineage.commands import environment
from components.lineage.commit import commit_run
from components.lineage.group import run_group
from components.lineage.remote import Remote
from components.lineage.repro import StageResult, repro
from components.lineage.transfer import push
from components.settings import Settings, load_settings
from components.storage.store import Store, StoreAccess
from components.tasks import load_run
from flows.artifacts import show_lineage

logger = logging.getLogger(__name__)


def store(settings: Settings, bucket: str | None = None) -> Store:
    """The object store of the settings; the bucket is made where it is missing."""
    opened = Store(
        StoreAccess(
            settings.store_endpoint,
            settings.store_access_key,
            settings.store_secret_key.get_secret_value(),
            bucket or settings.store_bucket,
            settings.store_secure,
        )
    )
    opened.ensure_bucket()
    return opened


def remote(settings: Settings) -> Remote:
    """The DVC remote: a bucket of its own in the same store."""
    store(settings, settings.dvc_bucket)
    return Remote(
        f"s3://{settings.dvc_bucket}/{settings.project.name}",
        f"{'https' if settings.store_secure else 'http'}://{settings.store_endpoint}",
        settings.store_access_key,
        settings.store_secret_key.get_secret_value(),
        "us-east-1",
    )


@contextmanager
def workplace(name: str, commit: str) -> Iterator[Checkout]:
    """A checkout of ``commit`` with the shared cache and the remote; gone afterwards, whatever happens."""
    settings = load_settings()
    unused = uncommitted(settings.project)
    if unused:
        logger.warning("uncommitted and not used: %s", ", ".join(unused[:10]))
    with checkout(settings.project, commit, remote=remote(settings), name=name) as place:
        logger.info("working on %s (%s)", place.commit[:12], commit)
        yield place


def run_stage(place: Checkout, stage: str) -> StageResult:
    """A stage brought up to date, its output lines in the log of the flow run."""
    result = repro(place, stage, on_line=_log_line)
    logger.info("%s: %s in %.1f s", stage, result.how, result.seconds)
    return result


def run_module(place: Checkout, module: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
    """What `python -m module` says in the checkout.

    Raises:
        StageFailed: with its last lines, where it ends with none of ``codes``.
    """
    state = {"SWATH_STATE": str(place.project / ".swath"), "SWATH_CHECKOUT": str(place.path)}
    command = [sys.executable, "-m", module, *arguments]
    done = run_group(command, place.path, environment(place.path, state), on_line=_log_line)
    if done.code not in codes:
        raise StageFailed(f"{module} failed: {' | '.join(done.tail[-3:])}")
    return "\n".join(done.tail)


def finish(
    place: Checkout, run: str, results: list[StageResult], what: str, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The run as one commit on a branch of its own, its data pushed; what the next flow needs to go on.

    ``also`` names computed files that may have changed besides results, see `commit_run`.
    """
    branch = commit_run(place, run, f"{what} {run}", also)
    push(place)
    facts = {
        "worked on": place.commit,
        "branch": branch,
        "not used (uncommitted)": ", ".join(uncommitted(place.project)) or "nothing",
        **{result.stage: f"{result.how} in {result.seconds:.1f} s" for result in results},
    }
    show_lineage(run, facts)
    return {"run": run, "commit": branch, "worked_on": place.commit}


def dataset_of(run: str) -> str:
    """The dataset that a run learns from."""
    return load_run(run)[1].dataset


def _log_line(line: str) -> None:
    text = Text.from_ansi(line).plain.strip()
    if text:
        logger.info("%s", text)
