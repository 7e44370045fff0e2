"""A scored run becomes a version, the version becomes the one in service."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from components.deployment.bento import bento_folder, build_bento
from components.deployment.loading import read_card
from components.deployment.registry import Registry
from components.deployment.smoke import Service, deploy
from components.errors import GateRefused, ServiceUnavailable
from components.evaluation.seal import read_report
from components.lineage.checkouts import Checkout
from components.lineage.closure import code_digest
from components.lineage.commands import git
from components.lineage.pipeline import Pipeline
from components.lineage.transfer import materialise
from components.settings import Settings, load_settings
from flows.artifacts import show_text
from flows.stack.state import want_bento
from flows.steps.scoring import judge
from flows.steps.workplace import run_module, store, workplace

logger = logging.getLogger(__name__)
ROLL_WITHIN_S = 180.0


def register(run: str, commit: str) -> str:
    """The version made of a scored run that passes its gate.

    A run with the numbers and answers of the version in service is not judged against itself.

    Raises:
        GateRefused: with every reason.
    """
    settings = load_settings()
    registry = Registry(store(settings))
    with workplace(f"deploy-{run}", commit) as place:
        materialise(place, Pipeline(place.path), [f"models/weights/{run}", f"data/prepared/{run}"])
        standing = _standing(registry, place, run)
        if standing.version:
            return standing.version
        if not standing.same_model:
            decision = judge(settings, place, run)
            if not decision["passed"]:
                raise GateRefused(run, decision["reasons"])
        folder = place.path / ".swath" / "version"
        run_module(place, "components.deployment", run, str(folder), *_provenance(place, run))
        return registry.register(run, folder).id


def promote(run: str, version: str, commit: str) -> dict[str, Any]:
    """The version in service, seen there after its golden request; the commit it came from tagged.

    Where the service runs other code than the version was made by, a Bento of that code is built and rolled first.
    """
    settings = load_settings()
    registry, service = Registry(store(settings)), service_of(settings)
    task, code = read_card(registry.fetch(run, version, settings.home / "versions"))
    if service.code().get(task) != code:
        _roll(settings, service, commit, (task, code))
    promotion = deploy(registry, run, version, service)
    git(settings.project, "tag", "--force", f"promoted/{run}/{promotion.n}", commit)
    show_text(run, "deployment", f"### {run}\n\nversion `{version}` is in service at {settings.service_url}\n")
    return {"run": run, "version": version, "url": settings.service_url}


def service_of(settings: Settings) -> Service:
    """The running service, with the token that is meant for us, or else its first plain one."""
    plain = (token.strip() for token in settings.tokens.split(",") if not token.strip().startswith("sha256:"))
    return Service(settings.service_url, settings.service_token.get_secret_value() or next(plain, ""))


def _roll(settings: Settings, service: Service, commit: str, wanted: tuple[str, str]) -> None:
    """A Bento of the commit's code in the place of the running service."""
    bentos = settings.home / "bentoml"
    with workplace("bento", commit) as place:
        tag = build_bento(place.path, bentos, place.commit)
    logger.info("built %s; the service is started again with it", tag)
    want_bento(settings.home, bento_folder(tag, bentos))
    until = time.monotonic() + ROLL_WITHIN_S
    while time.monotonic() < until:
        with suppress(ServiceUnavailable):
            if service.code().get(wanted[0]) == wanted[1]:
                return
        time.sleep(1.0)
    raise ServiceUnavailable(f"{tag} did not answer within {ROLL_WITHIN_S:.0f} s; read .swath/logs/service.log")


@dataclass(frozen=True)
class _Standing:
    """How a scored run stands to the version in service."""

    same_model: bool = False  # the same numbers and answers; other code may have made them
    version: str = ""  # the version in service, where it is this very run


def _standing(registry: Registry, place: Checkout, run: str) -> _Standing:
    """A run that gives the numbers and answers of the version in service need not beat itself.

    It is that version or, where the code changed around it, the same model released for today's code.
    """
    promotion = registry.promoted(run)
    if promotion is None or promotion.version is None:
        return _Standing()
    champion = registry.fetch(run, promotion.version, load_settings().home / "versions")
    theirs = read_report(champion / "report.json")
    ours = read_report(place.path / "data" / "reports" / f"{run}.json")
    if any(theirs[key] != ours[key] for key in ("weights", "prepared", "rows")):
        return _Standing()
    task, code = read_card(champion)
    if theirs["digest"] == ours["digest"] and code == code_digest(task, place.path):
        return _Standing(same_model=True, version=promotion.version)
    logger.info("the same model as %s, released anew for other code or words", promotion.version)
    return _Standing(same_model=True)


def _provenance(place: Checkout, run: str) -> list[str]:
    committed = git(place.path, "show", "-s", "--format=%cI", place.commit)
    report = read_report(place.path / "data" / "reports" / f"{run}.json")
    return [place.commit, committed, f"prepared={report['prepared']}", f"weights={report['weights']}"]
