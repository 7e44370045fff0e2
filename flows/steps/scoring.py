"""Scoring inside a checkout, comparison with the version in service, the gate's decision."""

from __future__ import annotations

import json
from typing import Any

from components.deployment.registry import Registry
from components.evaluation.seal import read_report
from components.evaluation.table import table, units_table
from components.lineage.checkouts import Checkout
from components.lineage.pipeline import Pipeline
from components.lineage.transfer import materialise
from components.settings import Settings, load_settings
from flows.artifacts import publish, show_pictures, show_text
from flows.steps.workplace import finish, run_module, run_stage, store, workplace

SCORES = "scores.png"  # the last picture that an evaluation draws


def evaluate(run: str, commit: str) -> dict[str, Any]:
    """Scores, pictures and the gate's decision on a trained run; one commit with the report."""
    settings = load_settings()
    with workplace(f"evaluate-{run}", commit) as place:
        results = [run_stage(place, f"evaluate-{run}")]
        # A report that git already holds needs no chips; the comparison and the pictures do.
        materialise(place, Pipeline(place.path), [f"data/prepared/{run}", f"models/weights/{run}"])
        report = read_report(place.path / "data" / "reports" / f"{run}.json")
        show_text(run, "report", f"{table(report)}\n\n{units_table(report)}\n")
        decision = judge(settings, place, run)
        pictures = settings.home / "pictures" / run  # where stages draw, see repro
        if not (pictures / SCORES).is_file():  # the stage was restored, here for the first time
            _draw(place, run)
        url = publish(settings, pictures, f"{run}/evaluation")
        show_pictures(run, url, sorted(path.name for path in pictures.glob("*.png")))
        return {**finish(place, run, results, "evaluate"), "passed": decision["passed"], "reasons": decision["reasons"]}


def _draw(place: Checkout, run: str) -> None:
    """The pictures of an evaluation whose report is recorded already; report and timings stay the recorded ones."""
    kept = {path: path.read_bytes() for path in (place.path / "data").glob(f"*/{run}.json")}
    try:
        run_module(place, "components.evaluation", run)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def judge(settings: Settings, place: Checkout, run: str) -> dict[str, Any]:
    """What the gate says of the run in this checkout against baselines and champion, as an artifact and as JSON.

    The champion is scored by the code and on the chips of the checkout, with its own numbers of each fold.
    """
    registry = Registry(store(settings))
    promotion = registry.promoted(run)
    out = place.path / ".swath" / "decision.json"
    arguments = [run, "--out", str(out)]
    if promotion is not None and promotion.version:
        champion = registry.fetch(run, promotion.version, settings.home / "versions")
        arguments += ["--champion", str(champion)]
    run_module(place, "components.evaluation.compare", *arguments)
    decision: dict[str, Any] = json.loads(out.read_text())
    verdict = "may go into service" if decision["passed"] else "stays out of service"
    checks = "\n".join(f"- {'ok' if check['passed'] else '**no**'}: {check['text']}" for check in decision["checks"])
    show_text(run, "decision", f"### {run} {verdict}\n\n{checks}\n")
    return decision
