"""Figures as PNG files: pictures of samples, training curves, scores with intervals. The same input, the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from components.pictures.picture import Picture
from components.raster.atomic import atomic

Interval = tuple[float | None, float | None, float | None]  # value, lower end, upper end; None: undefined
_PANEL_INCH = 2.9
_DPI = 110
_INK, _FAINT = "#222222", "#8a8a8a"
_SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Wong 2011, see panels.py
_CANDIDATE = "#0072b2"


def save_picture(picture: Picture, path: Path) -> None:
    """One picture: its panels side by side under their names, title above, caption and legend below.

    Raises:
        ValueError: if the picture has no panel.
    """
    contact_sheet([picture], path)


def contact_sheet(pictures: Sequence[Picture], path: Path, *, title: str = "") -> None:
    """Several pictures, one a row; the legends are joined at the foot.

    Raises:
        ValueError: if there is no panel.
    """
    columns = max((len(picture.panels) for picture in pictures), default=0)
    if columns == 0:
        raise ValueError("there is nothing to draw: no picture has a panel")
    legend = {name: colour for picture in pictures for name, colour in picture.legend.items()}
    heights = [_row_height(picture) for picture in pictures]
    head, foot = (0.4 if title else 0.02), (0.35 if legend else 0.02)
    figure = Figure(figsize=(_PANEL_INCH * columns + 0.3, sum(heights) + foot + head), dpi=_DPI)
    top, *rows, bottom = figure.subfigures(
        len(pictures) + 2, 1, height_ratios=[head, *heights, foot], squeeze=False, hspace=0
    )[:, 0]
    if title:
        top.text(0.012, 0.5, title, va="center", fontsize=13, fontweight="bold", color=_INK)
    for row, picture in zip(rows, pictures, strict=True):
        _draw_row(row, picture, columns)
    if legend:
        _draw_legend(bottom, legend)
    _save(figure, path)


def save_curve(history: Sequence[Mapping[str, Any]], path: Path, *, title: str = "", best: int | None = None) -> None:
    """The course of a training: losses above, scores below, over epochs; ``best`` marks the epoch that was kept.

    An entry holds `epoch`, `losses` by name, and scores by name; what is undefined (None) leaves a gap.

    Raises:
        ValueError: if the history is empty.
    """
    if not history:
        raise ValueError("there is nothing to draw: the history is empty")
    losses = {name: [e.get("losses", {}).get(name) for e in history] for name in _names(history, "losses")}
    found = {name for entry in history for name, value in entry.items() if _is_number(value)} - {"epoch"}
    scores = {name: [entry.get(name) for entry in history] for name in sorted(found)}
    epochs = [int(entry.get("epoch", number)) for number, entry in enumerate(history, 1)]
    shown = [(label, lines) for label, lines in (("loss", losses), ("validation", scores)) if lines]
    figure = Figure(figsize=(6.4, 2.3 * len(shown) + 0.6), dpi=_DPI, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12, fontweight="bold", color=_INK)
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (label, lines) in zip(axes, shown, strict=True):
        _draw_lines(axis, epochs, lines, label)
        if best is not None:
            axis.axvline(best, color=_FAINT, linestyle=":", linewidth=1.2)
    axes[-1].set_xlabel("epoch" if best is None else f"epoch (dotted: {best}, kept)")
    _save(figure, path)


def save_intervals(intervals: Mapping[str, Interval], path: Path, *, title: str, label: str) -> None:
    """Scores with their intervals, one line a method in the given order; the first is the candidate.

    A method whose score is undefined is listed and says so.

    Raises:
        ValueError: if there is no method.
    """
    if not intervals:
        raise ValueError("there is nothing to draw: no method has a score")
    figure = Figure(figsize=(6.8, 0.42 * len(intervals) + 1.2), dpi=_DPI, layout="constrained")
    axis = figure.subplots()
    first = next(iter(intervals.values()))[0]
    if first is not None:
        axis.axvline(first, color=_CANDIDATE, linewidth=1, linestyle=":", alpha=0.7)
    for line, interval in enumerate(intervals.values()):
        _draw_interval(axis, line, interval, _CANDIDATE if line == 0 else "#555555")
    axis.set_yticks(range(len(intervals)), list(intervals))
    axis.set_ylim(len(intervals) - 0.5, -0.5)
    axis.set_xlabel(label)
    axis.set_title(title, fontsize=12, fontweight="bold", color=_INK, loc="left")
    axis.grid(axis="x", color="#e5e5e5", linewidth=0.8)
    axis.tick_params(axis="y", length=0)
    _plain(axis)
    _save(figure, path)


def _row_height(picture: Picture) -> float:
    tallest = max((panel.shape[0] / panel.shape[1] for panel in picture.panels.values()), default=1.0)
    return _PANEL_INCH * min(tallest, 2.0) + 0.55 + (0.35 if picture.caption else 0.0)


def _draw_row(row: SubFigure, picture: Picture, columns: int) -> None:
    height = _row_height(picture)
    bottom = (0.4 if picture.caption else 0.05) / height
    row.suptitle(picture.title, x=0.012, y=1 - 0.05 / height, ha="left", va="top", fontsize=10.5, color=_INK)
    axes = row.subplots(1, columns, squeeze=False)[0]
    row.subplots_adjust(left=0.012, right=0.988, bottom=bottom, top=1 - 0.5 / height, wspace=0.04)
    for axis in axes:
        axis.set_axis_off()
        axis.set_anchor("N")
    for axis, (name, panel) in zip(axes, picture.panels.items(), strict=False):
        axis.imshow(panel, interpolation="nearest", vmin=0, vmax=1)
        axis.set_title(name, fontsize=9, color=_INK, pad=3)
    if picture.caption:
        text = fill(picture.caption, int(34 * columns))
        row.text(0.012, 0.05 / height, text, ha="left", va="bottom", fontsize=8, color="#555555")


def _draw_legend(row: SubFigure, legend: Mapping[str, tuple[int, int, int]]) -> None:
    marks = [
        Patch(facecolor=to_rgb("#{:02x}{:02x}{:02x}".format(*colour)), edgecolor=_FAINT, linewidth=0.5, label=name)
        for name, colour in legend.items()
    ]
    row.legend(handles=marks, loc="center", ncols=min(len(marks), 8), frameon=False, fontsize=8.5, handlelength=1.2)


def _draw_lines(axis: Axes, epochs: list[int], lines: Mapping[str, list[Any]], label: str) -> None:
    for number, (name, values) in enumerate(lines.items()):
        numbers = [float("nan") if value is None else float(value) for value in values]
        colour = _SERIES[number % len(_SERIES)]
        axis.plot(epochs, numbers, color=colour, linewidth=1.8, marker="o", markersize=3, label=name)
    axis.set_ylabel(label)
    axis.grid(color="#e5e5e5", linewidth=0.8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, fontsize=8.5)
    _plain(axis)


def _draw_interval(axis: Axes, line: int, interval: Interval, colour: str) -> None:
    value, low, high = interval
    if value is None:
        axis.text(0.01, line, "undefined", va="center", fontsize=9, color=_FAINT, transform=axis.get_yaxis_transform())
        return
    if low is not None and high is not None:
        axis.plot([low, high], [line, line], color=colour, linewidth=2.4, solid_capstyle="butt", alpha=0.75)
    axis.plot([value], [line], marker="o", markersize=6.5, color=colour, markeredgecolor="white")
    text = f"{value:.3f}"
    axis.annotate(text, (value, line), (0, 6), textcoords="offset points", ha="center", fontsize=8, color=colour)


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)


def _names(history: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return sorted({name for entry in history for name in entry.get(key, {})})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)  # drawn without pyplot: no window, no state shared between threads
    with atomic(path) as temporary, temporary.open("wb") as file:
        figure.savefig(file, format="png", metadata={"Software": None}, facecolor="white")
