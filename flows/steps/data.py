"""Ingestion and label checks inside a checkout."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.errors import QualityFailed
from components.ingestion.declaration import read_declaration
from components.ingestion.mirror import mirror
from components.lineage.checkouts import Checkout
from components.lineage.pipeline import Pipeline
from components.lineage.stages import EXTERNAL, SANDBOX
from components.lineage.transfer import materialise, track
from components.settings import Settings, load_settings
from flows.artifacts import publish, show_lineage, show_pictures, show_text
from flows.steps.workplace import finish, run_module, run_stage, store, workplace

REPORT, DOCS = "report.html", "docs/index.html"


def ingest(dataset: str, source: str, max_lost: float, commit: str) -> dict[str, Any]:
    """New scenes of ``source`` in the dataset, tracked by DVC, pushed, one commit; the report as an artifact."""
    raw = f"data/sources/{dataset}/raw"
    with workplace(f"ingest-{dataset}", commit) as place:
        if (place.path / f"{raw}.dvc").is_file():
            materialise(place, Pipeline(place.path), [raw])
        settings = load_settings()
        limits = json.dumps(asdict(settings.ingest_limits))
        fetched = _mirrored(place.path / "data" / "sources" / dataset, Path(source), settings)
        options = ("--max-lost", str(max_lost), "--limits", limits)
        said = run_module(place, "components.ingestion", dataset, source, *options)
        track(place, raw)
        done = finish(place, dataset, [], "ingest")
    show_text(dataset, "ingest", f"### Ingestion of {dataset}\n\n{fetched}```json\n{said}\n```\n")
    return done


def _mirrored(dataset: Path, folder: Path, settings: Settings) -> str:
    """What a bucket gave, in a sentence; nothing where the dataset has no bucket."""
    declared = read_declaration(dataset).source
    if declared is None:
        return ""
    report = mirror(store(settings, declared.bucket), declared.prefix, folder)
    return (
        f"{report.fetched} objects fetched, {report.unchanged} unchanged, {report.removed} gone, "
        f"{len(report.refused)} refused: {', '.join(report.refused) or 'none'}\n\n"
    )


def check_labels(dataset: str, commit: str, keep: bool = False) -> dict[str, Any]:
    """The verdict on a dataset's labels; report, pictures of the worst cases and Data Docs as artifacts.

    With ``keep`` the quarantine is committed on a branch of its own, with the pipeline that now depends on it.

    Raises:
        QualityFailed: if a rule that blocks training does not hold.
    """
    settings = load_settings()
    raw = f"data/sources/{dataset}/raw"
    with workplace(f"qa-{dataset}", commit) as place:
        if (place.path / f"{raw}.dvc").is_file():
            materialise(place, Pipeline(place.path), [raw])
        else:
            run_stage(place, f"simulate-{dataset}")
        out = place.path / ".swath" / "qa"
        wanted = ("--out", str(out), *(("--keep",) if keep else ()))
        run_module(place, "components.annotation", dataset, *wanted, codes=(0, 1))
        report = json.loads((out / "quality.json").read_text())
        summary = (out / "quality.md").read_text()
        url = publish(settings, out, f"{dataset}/quality")
        pictures = sorted(f"pictures/{path.name}" for path in (out / "pictures").glob("*.png"))
        show_lineage(dataset, {"worked on": place.commit, "report": f"{url}/{REPORT}", "Data Docs": f"{url}/{DOCS}"})
        kept = _kept(place, dataset) if keep and report["passed"] else {}
    pages = f"[Report with pictures]({url}/{REPORT}), [Data Docs]({url}/{DOCS})"
    show_text(dataset, "annotation-qa", f"{summary}\n\n{pages}\n")
    if pictures:
        show_pictures(f"{dataset}-qa", url, pictures)
    if not report["passed"]:
        raise QualityFailed(dataset, report["failures"])
    found = {name: report[name] for name in ("verdict", "reasons", "flagged")}
    return {"dataset": dataset, "commit": commit, **found, "report": f"{url}/{REPORT}", **kept}


def _kept(place: Checkout, dataset: str) -> dict[str, Any]:
    """The quarantine as one commit; the pipeline files with it, for the prepare stages depend on a first one."""
    run_module(place, "components.lineage.stages", "--write")
    done = finish(place, dataset, [], "annotation QA of", also=(SANDBOX, EXTERNAL))
    return {"commit": done["commit"], "worked_on": done["worked_on"]}
