"""The report of a run: deterministic scores with their evidence, sealed by a digest over its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from components.errors import LineageBroken
from components.evaluation.apart import shown_apart
from components.evaluation.evidence import Evidence, bootstrap_params
from components.evaluation.scoring import CANDIDATE, Job, Scored
from components.evaluation.seal import DIGITS, Sealed, rounded, sealed
from components.metrics.bootstrap import Interval
from components.metrics.classification import CalibrationBins
from components.tasks.params import CrossValidation, RunParams
from components.tasks.seam import Methods, Row, Rows

Report = Sealed


class Headline(NamedTuple):
    """A run in three cells: the candidate's score, the best baseline's, and on how many units."""

    candidate: str
    baseline: str
    units: str


def build(run: str, job: Job, scored: Scored) -> Report:
    """The report of scored rows: everything in it follows from parameters, chips, weights and code.

    Floats are rounded to six digits first, and all scores computed from the rounded rows, so that a reader of the
    report can compute them again.

    Raises:
        NotEnoughData: if there is no row.
    """
    params, methods = job.params, job.task.methods(job.params)
    rows = {name: rounded_rows(own) for name, own in scored.rows.items()}
    evidence = {name: Evidence.of(own, job.task.summarise, bootstrap_params(params)) for name, own in rows.items()}
    primary = job.task.spec(params).primary
    candidate = evidence[CANDIDATE].overall
    content = {
        "run": run,
        "task": params.task,
        "description": params.description,
        "dataset": params.dataset,
        "simulated": params.dataset.startswith("sandbox"),
        "method": dict(params.method),
        "protocol": protocol(params),
        "prepared": job.prepared.digest,
        "weights": folder_digest(job.weights),
        "seed": params.seed,
        "bootstrap": asdict(bootstrap_params(params)),
        "primary": {"name": primary.name, "goal": primary.goal},
        "units": list(candidate.units),
        "methods": {name: _method(each, _role(name, methods)) for name, each in evidence.items()},
        "gains": {
            name: asdict(candidate.gain_over(each.overall, primary.name, primary.goal))
            for name, each in evidence.items()
            if name != CANDIDATE
        },
        "calibration": _calibration(rows[CANDIDATE]),
        "rows": {name: row_entries(own) for name, own in rows.items()},
        **shown_apart(job, rows),
    }
    return sealed(content)


def verify_scores(report: Report, evidence: Mapping[str, Evidence], where: object = "report") -> None:
    """Nothing where every score follows from the rows.

    Raises:
        LineageBroken: names the first score that does not.
    """
    for name, each in evidence.items():
        stated = report["methods"][name]["scores"]
        for metric in sorted(each.overall.scores):
            found = each.overall.scores[metric]
            if not _equal(stated.get(metric, {}).get("value"), found):
                raise LineageBroken(
                    f"{where}: {metric} of {name} does not follow from the rows beside it; run the evaluate stage again"
                )


def rows_in(report: Report, method: str) -> tuple[Row, ...]:
    """The rows of a method as they were scored."""
    return rows_from(report["rows"][method])


def rows_from(entries: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Rows from their JSON form; lists become tuples."""
    return tuple(
        Row(each["unit"], {name: tuple(v) if isinstance(v, list) else v for name, v in each["values"].items()})
        for each in entries
    )


def rounded_rows(rows: Rows) -> tuple[Row, ...]:
    """Rows as a report holds them: floats with six digits."""
    return tuple(Row(row.unit, rounded(row.values)) for row in rows)


def row_entries(rows: Rows) -> list[dict[str, Any]]:
    """The JSON form of rows, see `rows_from`."""
    return [{"unit": row.unit, "values": dict(row.values)} for row in rows]


def baselines_in(report: Report) -> tuple[str, ...]:
    """The names of the methods that the candidate must beat."""
    return tuple(name for name, each in sorted(report["methods"].items()) if each["role"] == "baseline")


def headline(report: Report) -> Headline:
    """The deciding score of the candidate and of its best baseline with intervals; names simulated scenes."""
    metric, goal = report["primary"]["name"], report["primary"]["goal"]
    scores = {name: method["scores"][metric] for name, method in report["methods"].items()}
    held = {name: scores[name]["value"] for name in baselines_in(report) if scores[name]["value"] is not None}
    best = (max if goal == "max" else min)(held, key=held.__getitem__) if held else None
    return Headline(
        f"{metric} {Interval(**scores[CANDIDATE])}",
        f"{best} {Interval(**scores[best])}" if best else "undefined",
        f"{len(report['units'])} units" + (", simulated" if report["simulated"] else ""),
    )


def protocol(params: RunParams) -> dict[str, Any]:
    """How the scores came about, in words and in places."""
    folds = params.split.folds()
    if isinstance(params.split, CrossValidation):
        words = (
            f"cross-validation by place, {len(folds)} folds: every place is predicted by numbers that were learnt "
            "without it; the released weights are learnt on all places and have no score of their own"
        )
    else:
        words = "fixed places: the test places were neither trained nor validated on"
    return {
        "kind": "cross-validation by place" if isinstance(params.split, CrossValidation) else "fixed places",
        "words": words,
        "threshold": params.method.get("threshold", "the default of the method"),
        "folds": {fold.name: {"test": sorted(fold.test), "val": sorted(fold.val)} for fold in folds},
    }


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and bytes of all files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _equal(stated: float | None, found: float | None) -> bool:
    if stated is None or found is None:
        return stated is found
    return bool(abs(stated - found) < 10**-DIGITS)  # summing in another order moves the last bits


def _method(evidence: Evidence, role: str) -> dict[str, Any]:
    scores = {name: asdict(evidence.overall.interval(name)) for name in evidence.overall.scores}
    return {"role": role, "scores": scores, "units": {unit: dict(own) for unit, own in evidence.regions.items()}}


def _role(name: str, methods: Methods) -> str:
    if name == CANDIDATE:
        return "candidate"
    return "baseline" if name in methods.baselines else "control"


def _calibration(rows: Rows) -> dict[str, Any] | None:
    bins = CalibrationBins.pooled(row.values for row in rows)
    return None if bins is None else {name: list(each) for name, each in bins.values().items()}
