"""A series, its truth and an answer, as a person wants to see them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.inference.method import Outputs
from components.pictures.panels import CONFUSION_LEGEND, Image, class_panel, confusion_panel, stretch, stretch_limits
from components.pictures.picture import Picture
from components.raster.scene import Scene, Stack
from components.tasks.change import scoring
from components.tasks.change.pair import CHANGE, CHANGED_CODE, PROBABILITY
from components.tasks.change.reactiv import SERIES
from components.tasks.change.reactiv_composite import COMPOSITE
from components.tasks.change.reactiv_dating import WHEN
from components.tasks.change.scoring import SPAN
from components.tasks.change.series import amplitudes
from components.tasks.change.series_chart import Pixel, chart, marked, telling_pixel
from components.tasks.change.series_rivals import seen
from components.tasks.change.series_scoring import measure
from components.tasks.seam import Sample


def draw(sample: Sample, output: Outputs) -> Picture:
    """First and last date in one stretch, the composite, the truth, and hits, false alarms and misses of the answer.

    A method that dates its events shows one of them as the series of a pixel, marked in the last date. A sample
    without truth shows the answer as a class map instead.
    """
    stack, said = sample.inputs[SERIES], output[CHANGE]
    assert isinstance(stack, Stack)
    assert isinstance(said, Scene)
    first, last = _amplitude(stack, 0), _amplitude(stack, -1)
    bands = first.bands[:1]
    limits = stretch_limits(last, bands)
    panels: dict[str, Image] = {"first": stretch(first, bands, limits), "last": stretch(last, bands, limits)}
    picture = output.get(COMPOSITE)
    if isinstance(picture, Scene):
        panels[COMPOSITE] = (np.moveaxis(picture.array, 0, -1) / 255).astype(np.float32)
    pixel = _telling_pixel(output)
    if pixel is not None:
        panels["last"] = marked(panels["last"], pixel)
    truth = sample.targets.get(CHANGE)
    if not isinstance(truth, Scene):
        return Picture(sample.id, {**panels, "answer": class_panel(said), **_series(sample, output, pixel)})
    shown = truth.valid & seen(stack)
    panels["truth"] = class_panel(truth)
    panels["answer"] = confusion_panel(truth.array[0] == CHANGED_CODE, said.array[0] == CHANGED_CODE, shown)
    panels.update(_series(sample, output, pixel))
    f1 = scoring.summarise(measure(sample, output))["f1"]
    caption = f"{bands[0]}, {len(stack.dates)} dates; F1 {'undefined' if f1 is None else f'{f1:.2f}'}"
    if pixel is not None:
        caption += "; series: the pixel marked in the last date, blue what the answer says, orange the true event"
    return Picture(sample.id, panels, caption, legend=CONFUSION_LEGEND)


def _telling_pixel(output: Outputs) -> Pixel | None:
    when, certainty = output.get(WHEN), output.get(PROBABILITY)
    return telling_pixel(when, certainty) if isinstance(when, Scene) and isinstance(certainty, Scene) else None


def _series(sample: Sample, output: Outputs, pixel: Pixel | None) -> dict[str, Image]:
    """The chart of the pixel as a panel."""
    if pixel is None:
        return {}
    stack, when, span = sample.inputs[SERIES], output[WHEN], sample.targets.get(SPAN)
    assert isinstance(stack, Stack)
    assert isinstance(when, Scene)
    true = span.array[:, pixel.row, pixel.col] if isinstance(span, Scene) else None
    return {f"series at {pixel.row}, {pixel.col}": chart(stack, pixel, when, true)}


def _amplitude(stack: Stack, index: int) -> Scene:
    scene = stack.scene(index)
    values = amplitudes(scene.array, stack.unit, stack.nodata)
    return replace(scene, array=values, unit="amplitude", nodata=float("nan"))
