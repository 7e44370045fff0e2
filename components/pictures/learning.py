"""Learning curves: a score over what was spent, one line a strategy, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from components.raster.atomic import atomic

Point = tuple[float, float, float, float]  # spent, score, lower and upper end of its interval
_COLOURS = ("#0072b2", "#8a8a8a", "#d55e00", "#009e73")  # Wong 2011, see panels.py
_INK, _DPI = "#222222", 110


def save_learning_curves(
    curves: Mapping[str, Sequence[Point]],
    levels: Mapping[str, float],
    path: Path,
    *,
    title: str,
    labels: tuple[str, str],
) -> None:
    """Curves with bands of their intervals as a PNG; ``levels`` are scores to compare with, as dotted lines.

    Raises:
        ValueError: if there is no curve.
    """
    if not curves:
        raise ValueError("there is nothing to draw: no strategy has a curve")
    figure = Figure(figsize=(6.8, 4.2), dpi=_DPI, layout="constrained")
    axis = figure.subplots()
    for (name, points), colour in zip(curves.items(), _COLOURS, strict=False):
        spent, score, low, high = zip(*points, strict=True)
        axis.fill_between(spent, low, high, color=colour, alpha=0.18, linewidth=0)
        axis.plot(spent, score, color=colour, linewidth=2, marker="o", markersize=4.5, label=name)
    right = max(point[0] for points in curves.values() for point in points)
    for name, level in levels.items():
        axis.axhline(level, color=_INK, linestyle=":", linewidth=1)
        axis.annotate(name, (right, level), (0, 3), textcoords="offset points", ha="right", fontsize=8.5, color=_INK)
    axis.set_xlabel(labels[0])
    axis.set_ylabel(labels[1])
    axis.set_title(title, fontsize=12, fontweight="bold", color=_INK, loc="left")
    axis.grid(color="#e5e5e5", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    FigureCanvasAgg(figure)
    with atomic(path) as temporary, temporary.open("wb") as file:
        figure.savefig(file, format="png", metadata={"Software": None}, facecolor="white")
