"""What one filtered scene contributes to the scores, and the scores of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.inference.method import Outputs
from components.metrics.speckle import Fidelity, Suppression
from components.raster.radiometry import in_unit
from components.raster.scene import Scene
from components.tasks.despeckling.pooling import BEST_DB, DOMAIN, PRIMARY, SCATTERS, SUMS, mean_of, pooled, scatter
from components.tasks.despeckling.reference_scoring import LOG_RMSE, reference_rows, reference_scores
from components.tasks.despeckling.scenes import FILTERED, KIND, NOISY, REFERENCE, REFLECTIVITY
from components.tasks.despeckling.windows import Image, moments
from components.tasks.seam import Row, Rows, Sample, Scores

STABLE_CLASS = "stable"
HOMOGENEOUS_PX, HOMOGENEOUS_VARIATION = 7, 0.01  # windows whose true reflectivity varies by less than a hundredth


def measure(sample: Sample, output: Outputs) -> Rows:
    """One row a place: PSNR and SSIM band by band, and sums of what the ratio and the filtered pixels scatter.

    PSNR (dB) and SSIM compare amplitudes with the true reflectivity, whose 99th percentile is the peak and the cut.
    Ratio and looks are those of homogeneous pixels: ground of the class `stable` whose truth is even, so that
    what scatters is speckle. Looks count filtered / truth there. Without a truth the ratio is that of all pixels.
    Against a mean over dates: one row a block, see `reference_scoring`.
    """
    if REFERENCE in sample.targets:
        return reference_rows(sample, output)
    noisy, said = in_unit(_scene(sample.inputs[NOISY]), "intensity"), _scene(output[FILTERED])
    lists: dict[str, list[float]] = {PRIMARY: [], "ssim": []}
    sums = {f"{name}.{key}": 0.0 for name in SCATTERS for key in SUMS}
    truths = sample.targets.get(REFLECTIVITY)
    clean = np.full(noisy.array.shape, np.nan) if truths is None else _scene(truths).array
    known = _stable(sample, noisy)
    for raw, smooth, truth in zip(noisy.array, said.array, clean, strict=True):
        fidelity = Fidelity.of(truth, smooth, DOMAIN)
        if fidelity is not None:
            lists[PRIMARY].append(min(fidelity.psnr_db, BEST_DB))
            lists["ssim"] += [] if fidelity.ssim is None else [fidelity.ssim]
        even = known if truths is None else known & _even(truth)
        for name, value in scatter(raw, smooth, truth, even).items():
            sums[name] += value
    return (Row(sample.unit, {**sums, **{name: tuple(values) for name, values in lists.items()}}),)


def summarise(rows: Rows) -> Scores:
    """Mean PSNR in dB and SSIM over places and bands; on homogeneous pixels what was taken away and what is left.

    ``ratio_mean`` and ``ratio_variance`` of noisy / filtered are ideally 1 and ``speckle_variance``, the variance of
    noisy / truth. ``enl`` are the looks of the filtered pixels, and is never given without those. None: undefined.
    """
    values = [row.values for row in rows]
    scores = {name: mean_of(values, name) for name in (PRIMARY, "ssim")}
    ratio, filtered, speckle = (pooled(values, name) for name in SCATTERS)
    told = ratio is not None and filtered is not None and filtered[1] > 0
    return {
        **scores,
        "ratio_mean": ratio[0] if ratio else None,
        "ratio_variance": ratio[1] if ratio else None,
        "speckle_variance": speckle[1] if speckle else None,
        "enl": filtered[0] ** 2 / filtered[1] if told and filtered else None,
        **(reference_scores(values) if values and LOG_RMSE in values[0] else {}),
    }


def suppression(sample: Sample, output: Outputs, band: int) -> Suppression | None:
    """Looks and ratio of one band on the homogeneous pixels of a sample; None without such pixels."""
    noisy, said = in_unit(_scene(sample.inputs[NOISY]), "intensity"), _scene(output[FILTERED])
    area = _stable(sample, noisy)
    truth = sample.targets.get(REFLECTIVITY)
    return Suppression.of(
        noisy.array[band], said.array[band], area if truth is None else area & _even(_scene(truth).array[band])
    )


def _stable(sample: Sample, noisy: Scene) -> NDArray[np.bool_]:
    """Ground of the class `stable` where classes are known, else everything."""
    kind = sample.targets.get(KIND)
    if kind is None:
        return np.ones(noisy.grid.shape, bool)
    scene = _scene(kind)
    codes = [each.code for each in scene.classes if each.name == STABLE_CLASS]
    return np.asarray(np.isin(scene.array[0], codes))


def _even(truth: Image) -> NDArray[np.bool_]:
    return np.asarray(moments(truth, HOMOGENEOUS_PX).relative() < HOMOGENEOUS_VARIATION**2)


def _scene(value: object) -> Scene:
    assert isinstance(value, Scene), "what is scored are scenes"
    return value
