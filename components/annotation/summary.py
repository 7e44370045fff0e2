"""The report of annotation QA in Markdown, for the terminal and for the Prefect UI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from components.annotation.noise import ALL, Noise
from components.annotation.validation import RuleResult
from components.annotation.verdict import shown

if TYPE_CHECKING:
    from components.annotation.check import QualityReport

WORDS = {"pass": "passed", "pass with quarantine": "passed with quarantine", "fail": "**failed**"}
MOST_PLACES = 8  # with the highest noise rates
LARGE = 100  # numbers from here on are shown without digits after the point


def markdown(report: QualityReport, table: pd.DataFrame) -> str:
    """The report as a person reads it: the verdict, the rules, the flagged scenes with their numbers."""
    verdict = WORDS[report.verdict.outcome if report.passed else "fail"]
    lines = [
        f"# Annotation QA of {report.dataset}: {verdict}",
        "",
        f"{report.scenes} scenes, {report.chips} chips; {_quarantined(report)}.",
        "",
        *_rows(("rule", "severity", "rows", "undefined", "broken by", "what to do"), map(_rule_cells, report.results)),
        "",
    ]
    lines += _noise_lines(report.noise) if report.noise else []
    if report.mended:
        lines += [f"Mended features: `mended/<source>.parquet` of {shown(report.mended)}.", ""]
    names = report.flagged
    scenes = table[(table["level"] == "scene") & table["id"].isin(list(names))]
    if len(scenes):
        measures = ("agreement", "edge_agreement", "magnitude", "outline_rank", "shift_px", "label_age_days")
        present = [name for name in measures if name in scenes]
        cells = [
            (row["id"], *[_number(row[name]) for name in present], ", ".join(names[row["id"]]))
            for _, row in scenes.iterrows()
        ]
        lines += ["Scenes to review; they stay in the score and are shown apart:", ""]
        lines += [*_rows(("scene", *present, "rules"), cells), ""]
    return "\n".join(lines)


def _rule_cells(result: RuleResult) -> tuple[str, ...]:
    broken = "" if result.passed else shown(result.failing)
    remedy = "" if result.passed else result.remedy
    return result.name, result.severity, str(result.rows), str(result.undefined), broken, remedy


def _rows(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *[f"| {' | '.join(cells)} |" for cells in body]]


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}" if abs(value) < LARGE else f"{value:.0f}"


def _quarantined(report: QualityReport) -> str:
    """How much is left out and how much a person should look at."""
    actions = [each.action for each in report.verdict.quarantine]
    fraction = report.verdict.left_out_fraction
    return f"{actions.count('leave-out')} windows to leave out ({fraction:.1%} of the pixels), " + (
        f"{actions.count('review')} to review"
    )


def _noise_lines(noise: Noise) -> list[str]:
    """Estimated noise rates: of all places, and of those where they are highest."""
    places = [each for each in noise.rates if each.place != ALL]
    worst = sorted(places, key=lambda each: (-(each.low if each.low is not None else -1.0), each.place))[:MOST_PLACES]
    cells = [
        (each.place, each.label, str(each), str(each.pixels))
        for each in (*(each for each in noise.rates if each.place == ALL), *worst)
    ]
    said = [f"Share of labels that models from elsewhere contradict ({noise.how}), with 95 % intervals:", ""]
    return [*said, *_rows(("place", "label", "wrong", "pixels judged"), cells), ""]
