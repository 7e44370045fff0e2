"""Learning to despeckle from one single-look complex image: the real part tells what the imaginary part should be.

Dalsasso, Denis and Tupin 2022 (MERLIN), https://doi.org/10.1109/TGRS.2021.3128621: given R, real and imaginary part are
independent with variance R / 2 where the spectrum is symmetric about zero, so a network that sees one part and is held
against the other cannot learn speckle, however its neighbours are alike. Here a network of `models.dilated_residual` on
the logarithm of one squared part; either part is shown, and the two answers are averaged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.tasks.despeckling.losses import merlin
from components.tasks.despeckling.windows import Image
from models.dilated_residual import DilatedResidual

Complex = NDArray[np.complex64]
LEAST = 1e-6  # of the mean: a part of 0 has no logarithm


@dataclass(frozen=True)
class Learning:
    """How long, on what, from which seed."""

    steps: int = 300
    batch: int = 8
    crop_px: int = 48
    width: int = 24
    lr: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class Merlin:
    """The network with centre and scale of the logarithms that it learnt from, and the logarithm of their mean."""

    module: DilatedResidual
    centre: float
    scale: float
    level: float

    def logs(self, part: Tensor) -> Tensor:
        """Logarithms of R (B, 1, H, W) from one part of the same shape; their mean before anything is learnt.

        Half a look is too noisy to start from the part itself, as the network of a multi-looked image does.
        """
        power = torch.log((2 * part**2).clamp_min(LEAST * math.exp(self.level)))
        given = (power - self.centre) / self.scale
        said: Tensor = self.module(given) - given
        return said * self.scale + self.level

    def despeckled(self, image: Complex) -> Image:
        """The reflectivity ``(row, col)`` of a centred image: the mean of what both parts say."""
        return np.asarray(sum(self.from_part(part) for part in parts(image)) / 2, dtype=np.float32)

    def from_part(self, part: Image) -> Image:
        """The reflectivity that one part says."""
        with torch.inference_mode():
            said: Image = self.logs(torch.from_numpy(part)[None, None])[0, 0].exp().numpy()
        return said


def centred(image: Complex) -> Complex:
    """The image with its spectrum moved so that it is symmetric about zero along both axes.

    The phase of the correlation between neighbours is where its middle lies; without this the parts are not
    independent and the network learns to keep speckle.
    """
    moved = image.astype(np.complex128)
    for axis in (0, 1):
        size = moved.shape[axis]
        before, after = (np.take(moved, range(start, size - 1 + start), axis) for start in (0, 1))
        step = np.angle((after * before.conj()).sum())
        ramp = np.exp(-1j * step * np.arange(size))
        moved *= ramp[:, None] if axis == 0 else ramp[None, :]
    return np.asarray(moved, np.complex64)


def parts(image: Complex) -> tuple[Image, Image]:
    """Real and imaginary part, float32."""
    return np.ascontiguousarray(image.real, np.float32), np.ascontiguousarray(image.imag, np.float32)


def learn(image: Complex, learning: Learning) -> Merlin:
    """A network learnt from one centred single-look image, without any truth.

    Raises:
        ValueError: if the image is smaller than a crop.
    """
    if min(image.shape) < learning.crop_px:
        raise ValueError(f"crops of {learning.crop_px} px do not fit an image of {image.shape}; take smaller ones")
    torch.manual_seed(learning.seed)
    rng = np.random.default_rng(learning.seed)
    both = np.stack(parts(image))
    power = both.astype(np.float64) ** 2 * 2
    logs = np.log(np.maximum(power, LEAST * power.mean()))
    level = float(np.log(power.mean()))
    network = Merlin(DilatedResidual(1, learning.width), float(logs.mean()), float(logs.std()), level)
    adam = torch.optim.Adam(network.module.parameters(), lr=learning.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, learning.steps)
    network.module.train()
    for _ in range(learning.steps):
        shown, held = _batch(both, learning, rng)
        loss = merlin(network.logs(shown), held, torch.ones_like(held))
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.module.parameters(), 1.0)
        adam.step()
        schedule.step()
    network.module.eval()
    return network


def surprise(reflectivity: Image, part: Image) -> float:
    """The negative log-likelihood of a part per pixel, log(R) / 2 + b^2 / R: lower is nearer to the truth.

    Fair where ``reflectivity`` comes from the other part alone: speckle that is kept costs.
    """
    said = np.log(np.maximum(reflectivity.astype(np.float64), 1e-12))
    return float((said / 2 + part.astype(np.float64) ** 2 * np.exp(-said)).mean())


def _batch(both: NDArray[np.float32], learning: Learning, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Crops of one part to be shown and of the other to be held against, either way round, turned and flipped."""
    shown, held = [], []
    for _ in range(learning.batch):
        row, col = (int(rng.integers(side - learning.crop_px + 1)) for side in both.shape[1:])
        crop = both[:, row : row + learning.crop_px, col : col + learning.crop_px]
        crop = np.rot90(crop, int(rng.integers(4)), (1, 2))[:: 1 if rng.integers(2) else -1]
        crop = crop[:, :, :: 1 if rng.integers(2) else -1]
        shown.append(crop[:1])
        held.append(crop[1:])
    return torch.from_numpy(np.stack(shown)), torch.from_numpy(np.stack(held))
