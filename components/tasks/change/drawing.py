"""A pair, its truth and an answer, as a person wants to see them."""

from __future__ import annotations

from components.inference.method import Outputs
from components.pictures.panels import CONFUSION_LEGEND, Image, class_panel, confusion_panel, stretch, stretch_limits
from components.pictures.picture import Picture
from components.raster.scene import Scene
from components.tasks.change.pair import AFTER, BEFORE, CHANGE, CHANGED_CODE
from components.tasks.change.scoring import measure, summarise
from components.tasks.seam import Sample

# Burned ground stands out against soil in short-wave infrared; else what the eye would see; else what there is.
COMPOSITES = (("B12", "B08", "B04"), ("B04", "B03", "B02"))


def draw(sample: Sample, output: Outputs) -> Picture:
    """Before and after in one stretch, the truth, and hits, false alarms and misses of the answer.

    A sample without truth shows the answer as a class map instead.
    """
    before, after, said = sample.inputs[BEFORE], sample.inputs[AFTER], output[CHANGE]
    assert isinstance(before, Scene)
    assert isinstance(after, Scene)
    assert isinstance(said, Scene)
    bands = composite(before)
    limits = stretch_limits(before, bands)
    panels: dict[str, Image] = {name: stretch(s, bands, limits) for name, s in ((BEFORE, before), (AFTER, after))}
    truth = sample.targets.get(CHANGE)
    if not isinstance(truth, Scene):
        return Picture(sample.id, {**panels, "answer": class_panel(said)})
    seen = truth.valid & before.valid & after.valid
    panels["truth"] = class_panel(truth)
    panels["answer"] = confusion_panel(truth.array[0] == CHANGED_CODE, said.array[0] == CHANGED_CODE, seen)
    f1 = summarise(measure(sample, output))["f1"]
    caption = f"{'-'.join(bands)}; F1 {'undefined' if f1 is None else f'{f1:.2f}'}"
    return Picture(sample.id, panels, caption, legend=CONFUSION_LEGEND)


def composite(scene: Scene) -> tuple[str, ...]:
    """Three bands to show as red, green and blue, or the first as grey."""
    for bands in COMPOSITES:
        if set(bands) <= set(scene.bands):
            return bands
    return scene.bands[:3] if len(scene.bands) >= 3 else scene.bands[:1]
