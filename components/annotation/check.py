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
from components.annotation.cases import Sights, suspect_pictures, worst_cases
from components.annotation.drift import versioned
from components.annotation.labelled import summarise_labelled
from components.annotation.noise import Noise, estimate_noise
from components.annotation.page import page
from components.annotation.rules import Expectations, read_expectations
from components.annotation.series import summarise_series
from components.annotation.settled import Settled, settled_windows
from components.annotation.summary import markdown
from components.annotation.suspects import Contradiction
from components.annotation.table import summarise
from components.annotation.validation import RuleResult, run_suite
from components.annotation.vectors import summarise_vectors, write_mended
from components.annotation.verdict import Verdict, judge, sentence
from components.errors import QualityFailed
from components.pictures.draw import contact_sheet
from components.raster.dataset import Source, read_sources
from components.raster.io import describe
from components.tasks.quarantine import FILE, write_quarantine

logger = logging.getLogger(__name__)

RAW = "raw"
_TABLES = {
    "change-pair": versioned(agreed(summarise)),
    "labelled-image": versioned(agreed(summarise_labelled)),
    "aligned-pair": summarise_aligned,
    "series": summarise_series,
    "vectors": summarise_vectors,
}
SHEET = 4  # suspects of the picture for the Prefect UI; the page has more
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
    verdict: Verdict
    noise: Noise | None = None  # where expectations.yaml asks for it
    mended: tuple[str, ...] = ()  # sources whose features were mended: `mended/<source>.parquet`

    @property
    def failures(self) -> tuple[str, ...]:
        """Rules that block and did not hold, each with its rows and remedy; and a quarantine that is too large."""
        blocking = [sentence(each) for each in self.results if not each.passed and each.severity == "block"]
        return tuple(dict.fromkeys([*blocking, *self.verdict.failures]))

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
            "verdict": self.verdict.outcome,
            "reasons": list(self.verdict.reasons),
            "left_out_fraction": round(self.verdict.left_out_fraction, DIGITS),
            "scenes": self.scenes,
            "chips": self.chips,
            "failures": list(self.failures),
            "flagged": {row: list(names) for row, names in self.flagged.items()},
            "rules": [asdict(each) for each in self.results],
        }


def check(dataset_folder: Path, out_folder: Path) -> QualityReport:
    """A dataset (`data/sources/<dataset>`) held against its `expectations.yaml`.

    Written to ``out_folder``: `table.csv`, `quality.json`, `quality.md`, `quarantine.parquet`, `docs/index.html` (Data
    Docs), `report.html` with pictures of the worst cases (each rule's also as `pictures/<rule>.png`), and where noise
    is estimated `suspects.parquet` and `noise.json`. Features that the policy `fix` mended stand in `mended/`.

    Raises:
        BadParams: if `expectations.yaml` is wrong or names an unknown expectation or column.
        NotEnoughData: if the dataset holds no source.
    """
    expectations = read_expectations(dataset_folder)
    rules, sources = expectations.all_rules(), read_sources(dataset_folder / RAW)
    name = dataset_folder.resolve().name
    table, noise = _table(sources, expectations)
    out_folder.mkdir(parents=True, exist_ok=True)
    docs = out_folder / "docs"
    shutil.rmtree(docs, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="swath-qa-") as work:
        results = run_suite(table, rules, docs, Path(work))
    table.to_csv(out_folder / "table.csv", index=False)
    levels = table["level"].value_counts()
    windows = settled_windows(dataset_folder / RAW, sources, expectations.table.label)
    by_eye = frozenset(rule.name for rule in rules if rule.by_eye)
    report = QualityReport(
        dataset=name,
        scenes=int(levels.get("scene", 0)),
        chips=int(levels.get("chip", 0)),
        results=results,
        docs=docs / "index.html",
        table=out_folder / "table.csv",
        summary=out_folder / "quality.md",
        verdict=judge(
            table, rules, results, expectations.table.window_px, expectations.max_left_out, Settled(windows, by_eye)
        ),
        noise=noise,
        mended=write_mended(sources, expectations.table, out_folder / "mended"),
    )
    _write(report, table, out_folder)
    _show(report, Sights({each.id: each for each in sources}, expectations.table, _against(noise)), out_folder)
    logger.info("%s: %s; %d rules, %d rows flagged", name, report.verdict.outcome, len(results), len(report.flagged))
    return report


def keep(report: QualityReport, dataset_folder: Path) -> Path | None:
    """The quarantine put beside `raw`, where `prepare` obeys it; None where there is nothing to keep (any more).

    Raises:
        QualityFailed: if the dataset failed: that is mended, not quarantined.
        OSError: if the file cannot be written.
    """
    report.require_passed()
    path = dataset_folder / FILE
    if not report.verdict.quarantine:
        path.unlink(missing_ok=True)
        return None
    write_quarantine(report.verdict.quarantine, path)
    return path


def _table(sources: Sequence[Source], expectations: Expectations) -> tuple[pd.DataFrame, Noise | None]:
    """The summary table, with the columns of label noise where it is to be estimated."""
    table = _TABLES[expectations.table.kind](sources, expectations.table)
    if "rows" not in table:  # of features: their scenes have a size all the same
        sizes = {each.id: describe(next(iter(each.files.values()))).grid.shape for each in sources if each.files}
        for at, name in enumerate(("rows", "cols")):
            known = {scene: float(shape[at]) for scene, shape in sizes.items()}
            table[name] = table["id"].where(table["level"] == "scene").map(known)
    if expectations.noise is None:
        return table.round(DIGITS), None
    noise = estimate_noise(sources, expectations.noise)
    return table.merge(noise.measures(expectations.table.window_px), on="id", how="left").round(DIGITS), noise


def _against(noise: Noise | None) -> Mapping[str, Contradiction]:
    return noise.contradictions if noise else {}


def _show(report: QualityReport, sights: Sights, folder: Path) -> None:
    """The page, and the same pictures as one file a rule for those who show them elsewhere."""
    cases = worst_cases(report.verdict.quarantine, sights)
    suspects = suspect_pictures(report.noise, sights) if report.noise else []
    (folder / "report.html").write_text(page(report, cases, suspects), encoding="utf-8")
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    for name, pictures in {**cases, "suspects": suspects[:SHEET]}.items():
        if pictures:
            contact_sheet(pictures, folder / "pictures" / f"{name}.png", title=name)


def _write(report: QualityReport, table: pd.DataFrame, folder: Path) -> None:
    write_quarantine(report.verdict.quarantine, folder / FILE)
    if report.noise:
        report.noise.write(folder)
    (folder / "quality.json").write_text(json.dumps(report.as_dict(), indent=2, sort_keys=True) + "\n")
    report.summary.write_text(markdown(report, table))
