"""A pair and its flow, as a person wants to see them."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import hsv_to_rgb
from numpy.typing import NDArray

from components.inference.method import Outputs
from components.pictures.panels import UNSEEN, Image
from components.pictures.picture import Picture
from components.raster.scene import Scene
from components.tasks.coregistration.filters import Flow
from components.tasks.coregistration.pair import CONFIDENCE, FLOW, MOVING, REFERENCE, REGISTERED
from components.tasks.coregistration.scoring import comparable, measure, summarise
from components.tasks.coregistration.views import CLIP, grey
from components.tasks.seam import Sample

FIELDS = 8  # squares along a side of the mosaic
LEAST_FULL_PX = 1.0  # a flow shorter than this is drawn pale even where it is the longest


def draw(sample: Sample, output: Outputs) -> Picture:
    """Mosaics of reference and moving scene before and after, flow by hue and saturation, confidence, and the error."""
    scenes = {name: _scene(sample.inputs[name]) for name in (REFERENCE, MOVING)}
    said, sure = _flow(output[FLOW]), _scene(output[CONFIDENCE])
    reference = shown(scenes[REFERENCE])
    panels: dict[str, Image] = {
        "before": mosaic(reference, shown(scenes[MOVING])),
        "after": mosaic(reference, shown(_scene(output[REGISTERED]))),
    }
    truth = sample.targets.get(FLOW)
    full = longest(said if truth is None else _flow(truth))
    panels["flow"] = flow_panel(said, full)
    panels["confidence"] = _grey_image(np.where(sure.valid, sure.array[0], np.nan))
    if truth is None:
        return Picture(sample.id, panels, f"longest flow {full:.1f} px")
    panels["true flow"] = flow_panel(_flow(truth), full)
    error = np.linalg.norm(np.nan_to_num(said) - _flow(truth), axis=0)
    seen = comparable(sample, _flow(truth))
    panels["error, black 0 to white 3 px"] = _grey_image(np.where(seen, error / 3, np.nan))
    epe = summarise(measure(sample, output))["epe"]
    caption = f"end-point error {'undefined' if epe is None else f'{epe:.2f} px'}; longest flow {full:.1f} px"
    return Picture(sample.id, panels, caption)


def shown(scene: Scene) -> Image:
    """The grey view of a scene as an image ``(row, col, 3)`` in 0..1."""
    return _grey_image((grey(scene) + CLIP / 2) / CLIP)


def mosaic(one: Image, other: Image, fields: int = FIELDS) -> Image:
    """Squares of two images in turn: edges that run on across them lie in the same place."""
    rows, cols = one.shape[:2]
    side = max(1, min(rows, cols) // fields)
    squares = np.arange(rows)[:, None] // side + np.arange(cols)[None] // side
    share = (squares % 2).astype(np.float32)[..., None]
    return np.asarray((1 - share) * one + share * other, dtype=np.float32)


def flow_panel(flow: Flow, full_px: float) -> Image:
    """Direction as hue, length as saturation (full at ``full_px``), unknown in grey: image ``(row, col, 3)``."""
    known: NDArray[np.bool_] = np.asarray(np.isfinite(flow).all(0))
    u, v = np.nan_to_num(flow)
    hue = np.arctan2(v, u) / (2 * np.pi) % 1.0
    saturation = np.clip(np.hypot(u, v) / full_px, 0, 1)
    image = hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], axis=-1))
    return np.where(known[..., None], image, np.array(UNSEEN) / 255).astype(np.float32)


def longest(flow: Flow) -> float:
    """The 99th percentile of the length in px, at least 1."""
    lengths = np.linalg.norm(flow, axis=0)
    known = lengths[np.isfinite(lengths)]
    return max(float(np.percentile(known, 99)), LEAST_FULL_PX) if known.size else LEAST_FULL_PX


def _grey_image(values: NDArray[np.float32]) -> Image:
    seen = np.isfinite(values)
    image = np.repeat(np.clip(np.nan_to_num(values), 0, 1)[..., None], 3, axis=2)
    return np.where(seen[..., None], image, np.array(UNSEEN) / 255).astype(np.float32)


def _flow(value: object) -> Flow:
    return np.asarray(_scene(value).array, dtype=np.float32)


def _scene(value: object) -> Scene:
    assert isinstance(value, Scene), "pairs and flows are scenes"
    return value
