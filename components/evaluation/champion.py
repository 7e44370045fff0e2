"""The version in service, scored anew on the chips of a candidate.

Every place is predicted by the version's numbers of the fold that held that place out, so that it is never scored
on what it knows. The rows are kept by version, chips and code: this happens once.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path

from components.errors import LineageBroken, VersionCorrupt
from components.evaluation.evidence import Evidence, bootstrap_params
from components.evaluation.report import rounded_rows, row_entries, rows_from
from components.evaluation.rules import CHAMPION, Check
from components.evaluation.scoring import CANDIDATE, Job, score
from components.evaluation.seal import read_report, sealed
from components.raster.atomic import write_text
from components.tasks.params import RunParams, read_params
from components.tasks.seam import Row

logger = logging.getLogger(__name__)

CODE = Path(__file__).parents[2]
# What rows of a version depend on besides its numbers and the chips.
_SCORING = ("components/metrics", "components/raster", "components/inference", "components/tasks", "models")
_REMEDY = "train its parameters anew on these places, or withdraw it before promoting"


def champion_evidence(job: Job, folder: Path, cache: Path) -> tuple[Evidence | None, Check | None]:
    """Evidence of the version in ``folder`` on the chips of ``job``, or the check that says why there can be none.

    Raises:
        VersionCorrupt: if the folder is not that of a version.
    """
    version, params = version_id(folder), read_params(folder / "params.yaml")
    other = _other_places(params, job.params)
    if other:
        text = f"the champion {version} cannot be compared: {other}, so it may know the test places; {_REMEDY}"
        return None, Check(CHAMPION, False, text)
    try:
        rows = _champion_rows(replace(job, params=params, weights=folder), version, cache)
    except VersionCorrupt as error:
        reported = _reported_rows(folder, job.prepared.digest)
        if reported is None:
            return None, Check(CHAMPION, False, f"the champion {version} cannot be compared: {error}; {_REMEDY}")
        logger.warning("%s does not fit today's code; its own report on these very chips stands for it", version)
        rows = reported
    return Evidence.of(rows, job.task.summarise, bootstrap_params(job.params)), None


def _reported_rows(folder: Path, prepared: str) -> tuple[Row, ...] | None:
    """The rows that the version's own code wrote when it was made; None where those were other chips."""
    report = read_report(folder / "report.json")
    return rows_from(report["rows"][CANDIDATE]) if report["prepared"] == prepared else None


def _other_places(champion: RunParams, candidate: RunParams) -> str:
    """What differs between the folds of two versions; empty where they hold out the same places."""
    if champion.task != candidate.task:
        return f"it does the task {champion.task}, not {candidate.task}"
    theirs = {fold.name: fold.test for fold in champion.split.folds()}
    ours = {fold.name: fold.test for fold in candidate.split.folds()}
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            held, wanted = (", ".join(sorted(each.get(name, ()))) or "nothing" for each in (theirs, ours))
            return f"its {name} held out {held}, the candidate's {wanted}"
    return ""


def _champion_rows(job: Job, version: str, cache: Path) -> tuple[Row, ...]:
    path = cache / f"{version}-{job.prepared.digest[:16]}-{_code_digest()[:16]}.json"
    try:
        return rows_from(read_report(path)["rows"][CANDIDATE])
    except LineageBroken:
        logger.info("scoring version %s on the same chips", version)
    rows = rounded_rows(score(job, only=CANDIDATE).rows[CANDIDATE])
    content = sealed({"version": version, "prepared": job.prepared.digest, "rows": {CANDIDATE: row_entries(rows)}})
    write_text(path, json.dumps(content, sort_keys=True))
    return rows


def _code_digest() -> str:
    """SHA-256 of the code that predicts and measures."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in _SCORING for path in (CODE / folder).rglob("*.py")):
        digest.update(path.relative_to(CODE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def version_id(folder: Path) -> str:
    """The id of the version in a folder: the first 16 digits of its manifest's SHA-256.

    Raises:
        VersionCorrupt: if there is no manifest.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise VersionCorrupt(str(folder), "manifest.json is missing")
    return hashlib.sha256(manifest.read_bytes()).hexdigest()[:16]
