"""One pixel's series as a chart: backscatter by date, the event that the answer dates there, and the true one."""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from components.pictures.panels import FALSE_ALARM, HIT, Image
from components.raster.scene import Scene, Stack
from components.tasks.change.reactiv_dating import WHEN_BANDS, days_of
from components.tasks.change.series import amplitudes

SIDE_PX, DPI = 306, 110  # about as large as a panel of a contact sheet is drawn, so that letters stay sharp
LINES = ("#222222", "#8a8a8a", "#009e73", "#cc79a7")
TOLD, TRUE = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in (HIT, FALSE_ALARM))
GAP = 5  # usual steps between two dates, from which no line joins them
MARK_PX = 4  # arm of the cross that marks the pixel in an image


class Pixel(NamedTuple):
    """Where in the raster."""

    row: int
    col: int


def telling_pixel(when: Scene, certainty: Scene) -> Pixel | None:
    """The pixel to show; None without any event.

    In the largest patch of change: of its surest pixels, and of those with the least error of their onset, the one
    nearest to its middle.
    """
    error = when.array[WHEN_BANDS.index("onset_error_days")]
    patches, count = ndimage.label(np.isfinite(error))
    if not count:
        return None
    rows, cols = np.nonzero(patches == np.bincount(patches.ravel())[1:].argmax() + 1)
    far = (rows - rows.mean()) ** 2 + (cols - cols.mean()) ** 2
    best = np.lexsort((far, error[rows, cols], -certainty.array[0, rows, cols]))[0]
    return Pixel(int(rows[best]), int(cols[best]))


def chart(stack: Stack, pixel: Pixel, when: Scene, span: NDArray[np.int16] | None = None) -> Image:
    """Decibels of each band by day, ``(SIDE_PX, SIDE_PX, 3)``; blue is the event that ``when`` dates at the pixel.

    The dotted line is its onset, the lighter stripe around it the error. ``span`` ``(2)``: indexes of the first and
    last date of the true event, an orange bar at the foot; none where a number is negative.
    """
    figure = Figure(figsize=(SIDE_PX / DPI, SIDE_PX / DPI), dpi=DPI)
    FigureCanvasAgg(figure)  # the canvas that saves without a screen
    axis = figure.add_axes((0.15, 0.13, 0.81, 0.82))
    days = days_of(stack.dates)
    steps = np.diff(days)
    gaps = np.flatnonzero(steps > GAP * np.median(steps)) + 1 if steps.size else steps.astype(int)
    _draw_event(axis, {name: float(when.array[index][pixel]) for index, name in enumerate(WHEN_BANDS)})
    for index, band in enumerate(stack.bands):
        decibels = 20 * np.log10(amplitudes(stack.array[:, index, pixel.row, pixel.col], stack.unit, stack.nodata))
        shown = np.insert(days, gaps, np.nan), np.insert(decibels, gaps, np.nan)
        axis.plot(*shown, color=LINES[index % len(LINES)], linewidth=1, marker="o", markersize=2.2, label=band)
    if span is not None and (span >= 0).all():
        foot = axis.get_xaxis_transform()
        axis.plot(days[span], (0.02, 0.02), transform=foot, color=TRUE, linewidth=4, marker="s", markersize=4)
    axis.set_xlabel(f"days since {stack.dates[0]:%Y-%m-%d}", fontsize=7, labelpad=1)
    axis.set_title("dB", fontsize=7, loc="left", pad=2)
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=6, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=len(stack.bands), frameon=False)
    drawn = BytesIO()
    figure.savefig(drawn, format="rgba")
    pixels = np.frombuffer(drawn.getbuffer(), np.uint8).reshape(SIDE_PX, SIDE_PX, 4)
    return np.divide(pixels[..., :3], 255, dtype=np.float32)


def marked(image: Image, pixel: Pixel) -> Image:
    """The image with a cross around the pixel, which itself stays as it is."""
    out = image.copy()
    for step in (*range(-MARK_PX, 0), *range(1, MARK_PX + 1)):
        for row, col in ((pixel.row + step, pixel.col), (pixel.row, pixel.col + step)):
            if 0 <= row < out.shape[0] and 0 <= col < out.shape[1]:
                out[row, col] = np.array(HIT, np.float32) / 255
    return out


def _draw_event(axis: Axes, told: dict[str, float]) -> None:
    if np.isnan(told["kind"]):
        return
    onset, error = told["onset_day"], told["onset_error_days"]
    axis.axvspan(onset, max(told["last_day"], onset), color=TOLD, alpha=0.16, linewidth=0)
    axis.axvspan(onset - error, onset + error, color=TOLD, alpha=0.16, linewidth=0)
    axis.axvline(onset, color=TOLD, linewidth=1.2, linestyle=":")
