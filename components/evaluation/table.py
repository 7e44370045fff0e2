"""A report as a table in Markdown, for artifacts, the README and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.evaluation.report import Report
from components.metrics.bootstrap import Interval

_ORDER = {"candidate": 0, "baseline": 1, "control": 2}


def table(report: Report) -> str:
    """Protocol, and one row a method: the deciding score with its interval, the candidate's gain, the other scores.

    Scores of simulated scenes are named as such. Scores of single classes (`f1.road`) stay in the report.
    """
    primary = report["primary"]["name"]
    others = [name for name in _score_names(report) if name != primary]
    head = ["method", f"{primary} [{_level(report)}]", "candidate better by", *others]
    lines = [head, ["---"] * len(head)]
    for name, method in sorted(report["methods"].items(), key=lambda item: (_ORDER[item[1]["role"]], item[0])):
        gain = report["gains"].get(name)
        cells = [
            f"**{name}**" if method["role"] == "candidate" else f"{name} ({method['role']})",
            str(Interval(**method["scores"][primary])),
            "" if gain is None else str(Interval(**gain)),
            *(_number(method["scores"].get(other)) for other in others),
        ]
        lines.append(cells)
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{_heading(report)}\n\n{body}\n{_suspect(report)}"


def units_table(report: Report) -> str:
    """The deciding score of every method in every unit; undefined where the truth holds none of the class."""
    primary = report["primary"]["name"]
    methods = sorted(report["methods"], key=lambda name: (_ORDER[report["methods"][name]["role"]], name))
    lines = [["unit", *methods], ["---"] * (len(methods) + 1)]
    for unit in report["units"]:
        scores = [report["methods"][name]["units"].get(unit, {}).get(primary) for name in methods]
        lines.append([unit, *("undefined" if score is None else f"{score:.3f}" for score in scores)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _heading(report: Report) -> str:
    scenes = "**simulated scenes, no real-world score**" if report["simulated"] else "real scenes"
    words = f"{report['protocol']['words']}; {len(report['units'])} units"
    return f"{report['run']}: {report['description']} ({report['dataset']}, {scenes}; {words})"


def _suspect(report: Report) -> str:
    """What annotation QA says of the scored labels, and the deciding score without them."""
    found = report.get("suspect")
    if not found:
        return ""
    chips = ", ".join(f"{chip} ({rules})" for chip, rules in found["chips"].items())
    score = found["scores_without"]["candidate"].get(report["primary"]["name"])
    left = "undefined" if score is None else f"{score:.3f}"
    return (
        f"\nScored with the others, but annotation QA does not believe their labels: {chips}. "
        f"Without their {len(found['units'])} units the candidate's {report['primary']['name']} is {left}.\n"
    )


def _level(report: Report) -> str:
    return f"{report['bootstrap']['confidence']:.0%} interval over units"


def _score_names(report: Report) -> list[str]:
    names = {name for method in report["methods"].values() for name in method["scores"]}
    return sorted(name for name in names if "." not in name)


def _number(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return ""
    return "undefined" if entry["value"] is None else f"{entry['value']:.3f}"
