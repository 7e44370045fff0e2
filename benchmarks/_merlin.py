"""MERLIN on the one single-look complex sample: learnt on its left half, judged on its right half."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.metrics.speckle import mean_of_intensity
from components.tasks.despeckling.local import boxcar, lee
from components.tasks.despeckling.merlin import Learning, centred, learn, parts, surprise

TAUGHT, JUDGED = np.s_[:, :128], np.s_[:, 144:]  # 16 px apart, as far as the network sees
LEARNING = Learning(steps=400)
HALF_A_LOOK = 0.5  # what one part of a single-look image has


def table(path: Path) -> str:
    """Surprise of the imaginary part by what each method makes of the real one, and the level that comes out.

    Surprise is the mean negative log-likelihood of a pixel (the loss of Dalsasso, Denis and Tupin 2022): lower is
    better, and no truth is needed. The level is mean filtered over mean unfiltered intensity, ideally 1.
    """
    numbers = np.squeeze(np.load(path)).astype(np.float32)
    image = centred(numbers[..., 0] + 1j * numbers[..., 1])
    real, imaginary = parts(image[JUDGED])
    power, intensity = 2 * real**2, np.abs(image[JUDGED]) ** 2
    network = learn(image[TAUGHT], LEARNING)
    said = {
        f"MERLIN, {LEARNING.steps} steps": (network.from_part(real), network.despeckled(image[JUDGED])),
        "Lee": (lee(power, HALF_A_LOOK), lee(intensity, 1.0)),
        "boxcar": (boxcar(power), boxcar(intensity)),
        "constant": (np.full_like(power, power.mean()), np.full_like(intensity, intensity.mean())),
    }
    lines = ["| method | surprise of the other part | mean filtered / unfiltered |", "| --- | ---: | ---: |"]
    for name, (of_part, whole) in said.items():
        level = mean_of_intensity(intensity, whole)
        lines.append(f"| {name} | {surprise(of_part, imaginary):.3f} | {level:.3f} |")
    return "\n".join(lines)
