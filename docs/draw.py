"""The pictures of docs/, drawn anew from data: `make pictures`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from components.evaluation.compare import compare
from components.evaluation.report import headline
from components.evaluation.seal import read_report

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
BEGIN, END = "<!-- runs: written by `make pictures` -->", "<!-- /runs -->"
STEPS = (
    ("scenes", "folder of GeoTIFFs\nor the sandbox"),
    ("ingest", "COG, STAC, SHA-256,\nquarantine"),
    ("annotation QA", "Great Expectations,\nlabel noise, misfit masks"),
    ("train", "leaking splits refused,\ndvc repro, gpu agent"),
    ("evaluate", "baselines, paired\nintervals by place"),
    ("gate", "beats baselines and\nchampion, or refused"),
    ("serve", "Bento endpoint,\nhot swap, rollback"),
)


def way() -> None:
    """The way through as one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    figure, axes = plt.subplots(figsize=(17, 3.4))
    for index, (name, text) in enumerate(STEPS):
        colour = "#f2d8a7" if name == "gate" else "#cfe3ee"
        box = FancyBboxPatch((index * 2, 1), 1.62, 1.3, boxstyle="round,pad=0.06", fc=colour, ec="#31556b", lw=1.2)
        axes.add_patch(box)
        axes.text(index * 2 + 0.81, 1.95, name, ha="center", va="center", fontsize=12, fontweight="bold")
        axes.text(index * 2 + 0.81, 1.42, text, ha="center", va="center", fontsize=8.6)
        if index:
            arrow = {"arrowstyle": "-|>", "color": "#31556b", "lw": 1.6}
            axes.annotate("", (index * 2 - 0.08, 1.65), (index * 2 - 0.3, 1.65), arrowprops=arrow)
    for left, right, text in (
        (0, 3.62, "a flow says when (Prefect)"),
        (4, 9.62, "DVC says whether it is out of date; outputs lie in the S3 store"),
        (10, 13.62, "a version is immutable; only a pointer moves"),
    ):
        axes.plot([left, right], [0.62, 0.62], color="#8a8a8a", lw=1)
        axes.text((left + right) / 2, 0.36, text, ha="center", va="center", fontsize=10, color="#444444")
    axes.set(xlim=(-0.2, 13.9), ylim=(0.1, 2.6))
    axes.axis("off")
    figure.savefig(FOLDER / "way.png", dpi=110, bbox_inches="tight", metadata={"Software": None})


def evaluations() -> None:
    """Scores of each evaluated run, and the test places that it does best and worst, from its last evaluation here."""
    state = FOLDER.parent / ".swath" / "pictures"
    for path in sorted((FOLDER.parent / "data" / "reports").glob("*.json")):
        report = json.loads(path.read_text())
        units = report["methods"]["candidate"]["units"]
        metric, goal = report["primary"]["name"], report["primary"]["goal"]
        scored = [unit for unit in units if units[unit][metric] is not None]
        ranked = sorted(scored, key=lambda unit: units[unit][metric], reverse=goal == "min")
        for name, source in (("scores", "scores"), ("best", ranked[-1]), ("worst", ranked[0])):
            picture = state / path.stem / f"{source}.png"
            if picture.is_file():
                shutil.copyfile(picture, FOLDER / f"{path.stem}-{name}.png")


def runs_table(standing: str) -> str:
    """The runs as a Markdown table, from the reports in git and the gate's decision on them.

    The gate wants the chips of a run; where they are not here, the line of the ``standing`` table is kept.
    """
    kept = {line.split("`")[1]: line for line in standing.splitlines() if line.startswith("| `")}
    lines = [
        "| run | data | candidate [95 % interval over places] | best baseline | gain over each baseline | gate |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted((ROOT / "data" / "reports").glob("*.json")):
        if path.stem in kept and not (ROOT / "data" / "prepared" / path.stem).is_dir():
            lines.append(kept[path.stem])
            continue
        report = read_report(path)
        found = headline(report)
        verdict = compare(ROOT, path.stem, None, cache=ROOT / ".swath" / "cache" / "scores").decision
        said = "passes" if verdict.passed else f"refuses: {'; '.join(verdict.reasons)}"
        gains = ", ".join(
            f"{name} {_signed(gain)}"
            for name, gain in report["gains"].items()
            if report["methods"][name]["role"] == "baseline"
        )
        data = f"{report['dataset']}, {found.units}; {report['protocol']['kind']}"
        lines.append(f"| `{path.stem}` | {data} | {found.candidate} | {found.baseline} | {gains} | {said} |")
    return "\n".join(lines) + "\n"


def _signed(gain: Mapping[str, float | None]) -> str:
    if gain["low"] is None:  # one place
        return f"{gain['value']:+.3f} [no interval]"
    return f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"


def readme() -> None:
    """The table of runs written between its marks in the README."""
    path = ROOT / "README.md"
    head, _, rest = path.read_text().partition(BEGIN)
    standing, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n{runs_table(standing)}{END}{tail}")


if __name__ == "__main__":
    way()
    evaluations()
    readme()
