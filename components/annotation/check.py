"""Annotation QA of a dataset: summary table, rules, Data Docs, and who is flagged for what."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from components.annotation.aligned import summarise_aligned
from components.annotation.annotators import agreed
from components.annotation.drift import versioned
from components.annotation.labelled import summarise_labelled
from components.annotation.rules import read_expectations
from components.annotation.series import summarise_series
from components.annotation.table import summarise
from components.annotation.validation import RuleResult, run_suite
from components.annotation.vectors import summarise_vectors
from components.errors import QualityFailed
from components.raster.dataset import read_sources

logger = logging.getLogger(__name__)

RAW = "raw"
_TABLES = {
    "change-pair": versioned(agreed(summarise)),
    "labelled-image": versioned(agreed(summarise_labelled)),
    "aligned-pair": summarise_aligned,
    "series": summarise_series,
    "vectors": summarise_vectors,
}
DIGITS = 6  # of numbers in the table: the last bits of a float are no finding


@dataclass(frozen=True)
class QualityReport:
    """What the suite found. ``passed`` is about rules that block; flagged ids are to be reviewed.

    A flagged scene stays in the score and is shown apart: dropping it by its agreement with an image would
    favour the methods that look at the same evidence.
    """

    dataset: str
    scenes: int
    chips: int
    results: tuple[RuleResult, ...]
    docs: Path
    table: Path
    summary: Path

    @property
    def failures(self) -> tuple[str, ...]:
        """Rules that block and did not hold, each with its rows and remedy."""
        return tuple(_sentence(each) for each in self.results if not each.passed and each.severity == "block")

    @property
    def passed(self) -> bool:
        """True where no rule that blocks was broken."""
        return not self.failures

    @property
    def flagged(self) -> Mapping[str, tuple[str, ...]]:
        """Ids of scenes and chips that broke a rule, with the names of the rules."""
        found: dict[str, list[str]] = {}
        for result in self.results:
            for row in result.failing:
                found.setdefault(row, []).append(result.name)
        return {row: tuple(found[row]) for row in sorted(found)}

    def require_passed(self) -> QualityReport:
        """The report itself.

        Raises:
            QualityFailed: names the rules that block and the rows that broke them.
        """
        if not self.passed:
            raise QualityFailed(self.dataset, self.failures)
        return self

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values, without times or places on this machine."""
        return {
            "dataset": self.dataset,
            "passed": self.passed,
            "scenes": self.scenes,
            "chips": self.chips,
            "failures": list(self.failures),
            "flagged": {row: list(names) for row, names in self.flagged.items()},
            "rules": [asdict(each) for each in self.results],
        }


def check(dataset_folder: Path, out_folder: Path) -> QualityReport:
    """A dataset (`data/sources/<dataset>`) held against its `expectations.yaml`.

    Written to ``out_folder``: `table.csv`, `quality.json`, `quality.md`, and `docs/index.html` (Data Docs).

    Raises:
        BadParams: if `expectations.yaml` is wrong or names an unknown expectation or column.
        NotEnoughData: if the dataset holds no source.
    """
    expectations = read_expectations(dataset_folder)
    sources = read_sources(dataset_folder / RAW)
    table = _TABLES[expectations.table.kind](sources, expectations.table).round(DIGITS)
    out_folder.mkdir(parents=True, exist_ok=True)
    docs = out_folder / "docs"
    shutil.rmtree(docs, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="swath-qa-") as work:
        results = run_suite(table, expectations.all_rules(), docs, Path(work))
    table.to_csv(out_folder / "table.csv", index=False)
    levels = table["level"].value_counts()
    report = QualityReport(
        dataset=dataset_folder.resolve().name,
        scenes=int(levels.get("scene", 0)),
        chips=int(levels.get("chip", 0)),
        results=results,
        docs=docs / "index.html",
        table=out_folder / "table.csv",
        summary=out_folder / "quality.md",
    )
    (out_folder / "quality.json").write_text(json.dumps(report.as_dict(), indent=2, sort_keys=True) + "\n")
    report.summary.write_text(markdown(report, table))
    logger.info("%s: %d rules, %d rows flagged", report.dataset, len(results), len(report.flagged))
    return report


def markdown(report: QualityReport, table: pd.DataFrame) -> str:
    """The report as a person reads it: the verdict, the rules, the flagged scenes with their numbers."""
    verdict = "passed" if report.passed else "**failed**"
    lines = [
        f"# Annotation QA of {report.dataset}: {verdict}",
        "",
        f"{report.scenes} scenes, {report.chips} chips.",
        "",
        *_rows(("rule", "severity", "rows", "undefined", "broken by", "what to do"), map(_rule_cells, report.results)),
        "",
    ]
    names = report.flagged
    scenes = table[(table["level"] == "scene") & table["id"].isin(list(names))]
    if len(scenes):
        measures = ("agreement", "edge_agreement", "magnitude", "outline_rank", "shift_px")
        present = [name for name in measures if name in scenes]
        cells = [
            (row["id"], *[_number(row[name]) for name in present], ", ".join(names[row["id"]]))
            for _, row in scenes.iterrows()
        ]
        lines += ["Scenes to review; they stay in the score and are shown apart:", ""]
        lines += [*_rows(("scene", *present, "rules"), cells), ""]
    return "\n".join(lines)


def _rule_cells(result: RuleResult) -> tuple[str, ...]:
    broken = "" if result.passed else _shown(result.failing)
    remedy = "" if result.passed else result.remedy
    return result.name, result.severity, str(result.rows), str(result.undefined), broken, remedy


def _rows(head: Sequence[str], body: Any) -> list[str]:  # noqa: ANN401 - any iterable of cells
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *[f"| {' | '.join(cells)} |" for cells in body]]


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _shown(ids: Sequence[str], most: int = 12) -> str:
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more


def _sentence(result: RuleResult) -> str:
    return f"{result.name} broken by {_shown(result.failing) or 'the table'}: {result.remedy}"
