"""A scored run becomes a version, the version becomes the one in service."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from components.deployment.card import Provenance
from components.deployment.draft import draft
from components.deployment.registry import Registry
from components.deployment.smoke import Service, deploy
from components.errors import GateRefused
from components.evaluation.report import read_report
from components.lineage.checkouts import Checkout
from components.lineage.closure import code_digest
from components.lineage.commands import git
from components.lineage.pipeline import Pipeline
from components.lineage.transfer import materialise
from components.settings import load_settings
from components.tasks import load_run
from flows.artifacts import show_text
from flows.steps.scoring import judge
from flows.steps.workplace import store, workplace


def register(run: str, commit: str) -> str:
    """The version made of a scored run that passes its gate.

    A run whose weights and report are those of the version in service is that version: nothing is registered.

    Raises:
        GateRefused: with every reason.
    """
    settings = load_settings()
    registry = Registry(store(settings))
    with workplace(f"deploy-{run}", commit) as place:
        materialise(place, Pipeline(place.path), [f"models/weights/{run}", f"data/prepared/{run}"])
        same = _in_service(registry, place, run)
        if same:
            return same
        decision = judge(settings, place, run)
        if not decision["passed"]:
            raise GateRefused(run, decision["reasons"])
        folder = place.path / ".swath" / "version"
        draft(run, place.path, folder, _provenance(place, run))
        return registry.register(run, folder).id


def promote(run: str, version: str, commit: str) -> dict[str, Any]:
    """The version in service, seen there after its golden request; the commit it came from tagged."""
    settings = load_settings()
    promotion = deploy(Registry(store(settings)), run, version, Service(settings.service_url))
    git(settings.project, "tag", "--force", f"promoted/{run}/{promotion.n}", commit)
    show_text(run, "deployment", f"### {run}\n\nversion `{version}` is in service at {settings.service_url}\n")
    return {"run": run, "version": version, "url": settings.service_url}


def _in_service(registry: Registry, place: Checkout, run: str) -> str | None:
    """The id of the version in service where it rests on the very report of this checkout."""
    promotion = registry.promoted(run)
    if promotion is None or promotion.version is None:
        return None
    champion = registry.fetch(run, promotion.version, load_settings().home / "versions")
    theirs = json.loads((champion / "report.json").read_text())["digest"]
    ours = read_report(place.path / "data" / "reports" / f"{run}.json")["digest"]
    return promotion.version if theirs == ours else None


def _provenance(place: Checkout, run: str) -> Provenance:
    task = load_run(run)[1].task
    committed = datetime.fromisoformat(git(place.path, "show", "-s", "--format=%cI", place.commit))
    report = read_report(place.path / "data" / "reports" / f"{run}.json")
    digests = {"prepared": str(report["prepared"]), "weights": str(report["weights"])}
    return Provenance(place.commit, committed, code_digest(task, place.path), digests)
