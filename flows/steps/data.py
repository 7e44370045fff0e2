"""Ingestion and label checks inside a checkout."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.errors import QualityFailed
from components.ingestion.declaration import read_declaration
from components.ingestion.mirror import mirror
from components.lineage.pipeline import Pipeline
from components.lineage.transfer import materialise, track
from components.settings import Settings, load_settings
from flows.artifacts import publish, show_lineage, show_text
from flows.steps.workplace import finish, run_module, run_stage, store, workplace


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


def check_labels(dataset: str, commit: str) -> dict[str, Any]:
    """The label report of a dataset; Data Docs and failing rows as artifacts.

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
        run_module(place, "components.annotation", dataset, "--out", str(out), codes=(0, 1))
        report = json.loads((out / "quality.json").read_text())
        summary = (out / "quality.md").read_text()
        url = publish(settings, out, f"{dataset}/quality")
        show_lineage(dataset, {"worked on": place.commit, "Data Docs": f"{url}/docs/index.html"})
    show_text(dataset, "annotation-qa", f"{summary}\n\n[Data Docs]({url}/docs/index.html)\n")
    if not report["passed"]:
        raise QualityFailed(dataset, report["failures"])
    return {"dataset": dataset, "commit": commit, "data_docs": f"{url}/docs/index.html", "flagged": report["flagged"]}
