"""Candidate against the version in service, on the same chips and by the same code; then the gate decides."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from components.errors import LineageBroken, SwathError, UnknownName
from components.evaluation.champion import champion_evidence, version_id
from components.evaluation.cost import cost_in
from components.evaluation.evidence import Cost, Evidence, bootstrap_params
from components.evaluation.gate import Decision, decide
from components.evaluation.report import Report, baselines_in, rows_in, verify_scores
from components.evaluation.scoring import CANDIDATE, Job
from components.evaluation.seal import read_report, sealed, verify
from components.raster.atomic import write_text
from components.tasks import load_task
from components.tasks.chips import Prepared
from components.tasks.params import RunParams, read_params
from components.tasks.seam import Rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """The decision and everything that it rests on, as JSON."""

    decision: Decision
    content: Mapping[str, Any]

    @property
    def markdown(self) -> str:
        """The decision as a page: verdict, every check, and the deciding score unit by unit."""
        verdict = "may be promoted" if self.decision.passed else "stays out of service"
        checks = [f"- {'✅' if check.passed else '❌'} {check.text}" for check in self.decision.checks]
        names = [CANDIDATE, *(name for name in self.content["scores"] if name != CANDIDATE)]
        lines = [["unit", *names], ["---"] * (len(names) + 1)]
        for unit, scores in self.content["units"].items():
            lines.append([unit, *("undefined" if scores[n] is None else f"{scores[n]:.3f}" for n in names)])
        rows = [f"| {' | '.join(cells)} |" for cells in lines]
        head = f"### {self.content['run']} {verdict}"
        return "\n".join([head, "", *checks, "", f"{self.content['primary']['name']} by unit:", "", *rows, ""])


def compare(root: Path, run: str, champion: Path | None, *, cache: Path) -> Comparison:
    """The decision on a run, from the parameters, report, timings and chips under ``root``; see `judge`.

    Raises:
        LineageBroken: if the report is missing or was changed by hand, or speaks of other chips.
        UnknownName: if there is no such run.
        VersionCorrupt: if the champion's folder is not that of a version.
    """
    params = _params(root, run)
    job = Job(load_task(params.task), params, Prepared(root / "data/prepared" / run), root / "models/weights" / run)
    timing = root / "data/timings" / f"{run}.json"
    cost = cost_in(json.loads(timing.read_text())) if timing.is_file() else None
    return judge(job, read_report(root / "data/reports" / f"{run}.json"), champion, cost=cost, cache=cache)


def judge(job: Job, report: Report, champion: Path | None, *, cost: Cost | None, cache: Path) -> Comparison:
    """The decision on the candidate of a report against baselines and the version in the folder ``champion``.

    ``job`` holds the candidate's task, parameters and chips, ``cost`` what its prediction costs, and ``cache`` is
    the folder in which rows of champions are kept.

    Raises:
        LineageBroken: if the report was changed by hand, or speaks of other chips.
        VersionCorrupt: if the champion's folder is not that of a version.
    """
    rows = {name: rows_in(_trusted(job, report), name) for name in (CANDIDATE, *baselines_in(report))}
    evidence = {name: _evidence(job, own) for name, own in rows.items()}
    verify_scores(report, evidence)
    candidate = replace(evidence.pop(CANDIDATE), cost=cost)
    limits, primary = job.params.evaluation.limits, job.task.spec(job.params).primary
    rival, obstacle = champion_evidence(job, champion, cache) if champion else (None, None)
    decision = decide(candidate, rival, evidence, limits, primary)
    if obstacle:
        others = (check for check in decision.checks if check.rule != obstacle.rule)
        decision = Decision((*others, obstacle))
    rivals = evidence if rival is None else {**evidence, "champion": rival}
    rivals = {name: each for name, each in rivals.items() if each.overall.units == candidate.overall.units}
    version = version_id(champion) if champion else None
    return Comparison(decision, _content(report, version, decision, candidate, rivals))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 where a decision was made, whichever it is; it is written as JSON."""
    parser = argparse.ArgumentParser(prog="python -m components.evaluation.compare", description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--champion", type=Path, help="folder of the version in service; none if there is none")
    parser.add_argument("--out", type=Path, required=True, help="where the comparison goes, as JSON")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        state = Path(os.environ.get("SWATH_STATE", ".swath"))
        found = compare(Path(), given.run, given.champion, cache=state / "cache" / "scores")
    except SwathError as error:
        logger.error("%s", error)  # noqa: TRY400 - one sentence for a person, no traceback
        return 1
    write_text(given.out, f"{json.dumps(found.content, sort_keys=True, indent=1)}\n")
    logger.info("%s: %s", given.run, found.decision)
    return 0


def _trusted(job: Job, report: Report) -> Report:
    """The report itself where nobody changed it and it speaks of these chips."""
    verify(report, f"report of {report.get('run')}")
    if report["prepared"] != job.prepared.digest:
        raise LineageBroken(f"the report of {report['run']} speaks of other chips; run its evaluate stage again")
    return report


def _params(root: Path, run: str) -> RunParams:
    """The parameters that ``root`` holds, which need not be those of the code that runs."""
    for path in (root / "components" / "tasks").glob(f"*/params/{run}.yaml"):
        return read_params(path)
    raise UnknownName("run", run, (path.stem for path in (root / "components" / "tasks").glob("*/params/*.yaml")))


def _evidence(job: Job, rows: Rows) -> Evidence:
    return Evidence.of(rows, job.task.summarise, bootstrap_params(job.params))


def _content(
    report: Report, version: str | None, decision: Decision, candidate: Evidence, rivals: Mapping[str, Evidence]
) -> Mapping[str, Any]:
    metric, goal = report["primary"]["name"], report["primary"]["goal"]
    gains = {name: candidate.overall.gain_over(each.overall, metric, goal) for name, each in rivals.items()}
    everyone = {CANDIDATE: candidate, **rivals}
    return sealed(
        {
            "run": report["run"],
            "report": report["digest"],
            "weights": report["weights"],
            "prepared": report["prepared"],
            "champion": version,
            "passed": decision.passed,
            "reasons": list(decision.reasons),
            "checks": [asdict(check) for check in decision.checks],
            "primary": report["primary"],
            "scores": {name: asdict(each.overall.interval(metric)) for name, each in everyone.items()},
            "gains": {name: asdict(gain) for name, gain in gains.items()},
            "units": {
                unit: {name: each.regions.get(unit, {}).get(metric) for name, each in everyone.items()}
                for unit in candidate.overall.units
            },
        }
    )


if __name__ == "__main__":
    sys.exit(main())
