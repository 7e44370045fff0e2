"""A filtered scene, as a person wants to see it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.inference.method import Outputs
from components.pictures.panels import stretch, stretch_limits
from components.pictures.picture import Picture
from components.raster.radiometry import in_unit
from components.raster.scene import Scene
from components.tasks.despeckling.pooling import PRIMARY
from components.tasks.despeckling.scenes import FILTERED, NOISY, RATIO, REFERENCE, REFLECTIVITY
from components.tasks.despeckling.scoring import measure, summarise
from components.tasks.seam import Sample

RATIO_LIMITS = (0.0, 2.0)  # grey is 1: what was taken away should be noise without any structure


def draw(sample: Sample, output: Outputs) -> Picture:
    """Amplitudes of the first band before and after, in one stretch, the truth where there is one, and the ratio."""
    filtered, truths = _scene(output[FILTERED]), {"truth": REFLECTIVITY, "mean of dates": REFERENCE}
    band = filtered.bands[:1]
    shown = {"noisy": _amplitude(_scene(sample.inputs[NOISY])), "filtered": _amplitude(filtered)}
    known = {name: _amplitude(_scene(sample.targets[role])) for name, role in truths.items() if role in sample.targets}
    limits = stretch_limits(next(iter(known.values()), shown["filtered"]), band)
    shown |= known
    panels = {name: stretch(scene, band, limits) for name, scene in shown.items()}
    panels["ratio, black 0 to white 2"] = stretch(_scene(output[RATIO]), band, [RATIO_LIMITS])
    return Picture(sample.id, panels, f"{band[0]}: {_caption(sample, output)}")


def _caption(sample: Sample, output: Outputs) -> str:
    """PSNR, and mean and variance of the ratio before any looks."""
    scores = summarise(measure(sample, output))
    named = {
        "PSNR {:.1f} dB": PRIMARY,
        "ratio mean {:.3f}": "ratio_mean",
        "ratio variance {:.3f}": "ratio_variance",
        "looks {:.0f}": "enl",
    }
    said = [text.format(value) for text, name in named.items() if (value := scores[name]) is not None]
    return ", ".join(said) or "nothing to score"


def _amplitude(scene: Scene) -> Scene:
    intensity = in_unit(scene, "intensity")
    positive = np.where(intensity.array >= 0, intensity.array, np.nan)
    return replace(in_unit(replace(intensity, array=positive), "amplitude"), nodata=float("nan"))


def _scene(value: object) -> Scene:
    assert isinstance(value, Scene), "what is drawn are scenes"
    return value
