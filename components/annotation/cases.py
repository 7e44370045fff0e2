"""Pictures of what annotation QA does not believe: the dates, the label's outline, and what contradicts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_opening

from components.annotation.noise import Noise
from components.annotation.rules import TableParams
from components.annotation.suspects import Contradiction
from components.pictures.panels import Image, stretch, stretch_limits
from components.pictures.picture import Colour, Picture
from components.pictures.thumbnails import enlarged, outlined
from components.raster.dataset import Source
from components.raster.grid import Window
from components.raster.io import read_scene
from components.raster.scene import Scene
from components.tasks.quarantine import Suspicion

# Burned ground stands out in short-wave infrared; else what the eye would see.
COMPOSITES = (("B12", "B08", "B04"), ("B04", "B03", "B02"), ("red", "green", "blue"))
LABEL: Colour = (255, 196, 0)
AGAINST: Colour = (0, 229, 255)  # cyan: neither burned ground nor vegetation looks so in any composite
LEGEND = {"label": LABEL, "contradicted by models from elsewhere": AGAINST}
SIDE_PX = 240  # about how large a picture is on the page
LEAST_PX, MARGIN_PX = 64, 12  # of ground around a suspect, so that a person knows where he is
MOST_CASES, MOST_SUSPECTS, MOST_DATES = 3, 12, 2


@dataclass(frozen=True)
class Sights:
    """Where pictures come from: the sources by id, the roles to show, and what contradicts the labels."""

    sources: Mapping[str, Source]
    table: TableParams
    against: Mapping[str, Contradiction]

    def picture(self, scene: str, window: Window, title: str, caption: str) -> Picture:
        """A window of a scene: its images, then the last image under the outlines of label and contradiction.

        Raises:
            BadScene: if a file cannot be read.
        """
        source = self.sources[scene]
        images = [(role, read_scene(source.files[role])) for role in self.roles(source)]
        step = max(1, max(window.rows, window.cols) // (2 * SIDE_PX))  # large scenes are thinned
        shape = (len(range(0, window.rows, step)), len(range(0, window.cols, step)))
        factor = max(1, SIDE_PX // max(shape))
        limits = stretch_limits(images[0][1], composite(images[0][1]))
        panels: dict[str, Image] = {}
        for role, image in images:
            own = limits if image.bands == images[0][1].bands else None
            part = stretch(_inside(image, window), composite(image), own)[::step, ::step]
            panels[role] = enlarged(part, factor)
        last = panels[images[-1][0]]
        panels["label"] = self._outlines(source, window, step, factor, last) if self._fits(source, images) else last
        return Picture(title, panels, caption, LEGEND if scene in self.against else {"label": LABEL})

    def roles(self, source: Source) -> list[str]:
        """The images to show of a source: its dates, its image, or the first rasters that are no label."""
        named = [self.table.before, self.table.after, getattr(self.table, "image", "image")]
        found = [role for role in named if role in source.files]
        others = [role for role in sorted(source.files) if role != self.table.label]
        return (found or others)[:MOST_DATES]

    def _fits(self, source: Source, images: Sequence[tuple[str, Scene]]) -> bool:
        """Whether there is a label on the grid of the last image: elsewhere an outline would lie."""
        if self.table.label not in source.files:
            return False
        return read_scene(source.files[self.table.label]).grid.same_as(images[-1][1].grid)

    def _outlines(self, source: Source, window: Window, step: int, factor: int, image: Image) -> Image:
        codes = _inside(read_scene(source.files[self.table.label]), window).array[0][::step, ::step]
        if source.id in self.against:  # without specks: they would hide what is to be seen
            where = binary_opening(self.against[source.id].where[window.slices], np.ones((3, 3)))
            image = outlined(image, np.asarray(where)[::step, ::step], AGAINST, factor)
        return outlined(image, codes, LABEL, factor)


def composite(scene: Scene) -> tuple[str, ...]:
    """Bands to show as red, green and blue, or one as grey: of the known composites the first that is there."""
    for bands in COMPOSITES:
        if set(bands) <= set(scene.bands):
            return bands
    return scene.bands[:3] if len(scene.bands) >= 3 else scene.bands[:1]


def _inside(scene: Scene, window: Window) -> Scene:
    return scene.crop(window.within_shape(scene.grid.shape))


def worst_cases(found: Sequence[Suspicion], sights: Sights) -> dict[str, list[Picture]]:
    """At most three pictures of each broken rule, the worst first; of a scene only one.

    Raises:
        BadScene: if a file cannot be read.
    """
    pictures: dict[str, list[Picture]] = {}
    for rule in dict.fromkeys(each.rule for each in found):
        worst = sorted((each for each in found if each.rule == rule), key=lambda each: (-each.score, each.scene))
        first = {each.scene: each for each in reversed(worst)}  # of each scene its worst
        shown = sorted(first.values(), key=lambda each: (-each.score, each.scene))[:MOST_CASES]
        pictures[rule] = [sights.picture(each.scene, each.window, _where(each), each.reason) for each in shown]
    return pictures


def suspect_pictures(noise: Noise, sights: Sights, least_core_px: int = 1) -> list[Picture]:
    """The objects whose correction is worth most, each with some ground around it.

    Raises:
        BadScene: if a file cannot be read.
    """
    pictures = []
    for rank, each in enumerate(noise.suspects[:MOST_SUSPECTS], start=1):
        if each.core_px < least_core_px:
            break
        shape = noise.contradictions[each.scene].given.shape
        margin = max(MARGIN_PX, (LEAST_PX - min(each.window.rows, each.window.cols)) // 2)
        window = each.window.padded(margin, (shape[0], shape[1]))
        said = f"labelled {each.given}, looks {each.suggested}; {each.pixels} px, margin {each.score:.2f}"
        pictures.append(sights.picture(each.scene, window, f"{rank}. {each.scene}", said))
    return pictures


def _where(each: Suspicion) -> str:
    window = each.window
    return (
        f"{each.scene}, rows {window.row}-{window.row + window.rows}, columns {window.col}-{window.col + window.cols}"
    )
