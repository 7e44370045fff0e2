"""A small recurrent flow network in the manner of RAFT, with an encoder for each sensor.

Teed, Deng: RAFT: recurrent all-pairs field transforms for optical flow, ECCV 2020, https://arxiv.org/abs/2003.12039.
From it: one cost volume computed once and looked up about the running flow, a convolutional GRU that adds to the flow
a few times, convex upsampling, and a loss over all iterations. From GMFlow (Xu et al. 2022,
https://arxiv.org/abs/2111.13680): the flow starts at the softmax-weighted mean displacement, so that the loss reaches
the features at once and a short training finds them.

Departures, for scenes that are georeferenced: the volume holds displacements up to ``reach`` instead of all pairs, so
its memory grows with the number of pixels and not with its square; a quarter of the resolution instead of an eighth;
only the last flow is brought to full resolution, the others are held against the truth at a quarter; encoders of their
own for each sensor; no normalisation over the image, so that tiles answer as the whole; L2 norm instead of L1; a head
adds a confidence.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.correlation import correlation
from models.flow_estimate import (
    ConfidenceHead,
    Estimate,
    Step,
    convolution,
    flow_convolution,
    grown,
    initialise,
    scaled,
    unit_length,
)
from models.sensor_encoders import SensorEncoders, pairs_of

STRIDE_PX = 4
REACH = 6  # of the cost volume in pixels of the quarter resolution: 24 px of the image
LOOKUP = 3  # radius of a lookup, on both scales of the volume
DECAY = 0.8  # of the weight of an iteration in the loss, from the last to the first
SPAN = 2 * LOOKUP + 1
SHARPNESS = 10.0  # of the softmax over the volume, before training
AGREED = 5  # neighbours a side whose costs are averaged before the flow starts there


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first, self.second = convolution(inputs, outputs, stride=stride), convolution(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.second(self.first(x))  # type: ignore[no-any-return]


class _Encoder(nn.Module):
    """Features to compare, and what the recurrence starts from and sees throughout, at a quarter of the resolution."""

    def __init__(self, inputs: int, width: int, matched: int, hidden: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            convolution(inputs, width, 7, stride=2),
            _Residual(width, width),
            _Residual(width, matched, stride=2),
            _Residual(matched, matched),
        )
        self.matched, self.context = nn.Conv2d(matched, matched, 1), nn.Conv2d(matched, 2 * hidden, 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.trunk(image)
        return unit_length(self.matched(seen)), self.context(seen)


class _Recurrence(nn.Module):
    """A convolutional GRU on context, looked-up costs and the running flow."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.costs = nn.Sequential(convolution(2 * SPAN**2, hidden, 1), convolution(hidden, hidden))
        self.motion = convolution(2, hidden // 4, 7)
        inputs = 3 * hidden + hidden // 4  # hidden state, context, costs and motion
        self.gates = nn.Conv2d(inputs, 2 * hidden, 3, padding=1)
        self.candidate = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.flow = nn.Sequential(convolution(hidden, hidden), flow_convolution(hidden))

    def forward(self, hidden: Tensor, context: Tensor, costs: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat([context, self.costs(costs), self.motion(flow)], dim=1)
        update, reset = torch.sigmoid(self.gates(torch.cat([hidden, seen], dim=1))).chunk(2, dim=1)
        candidate = torch.tanh(self.candidate(torch.cat([reset * hidden, seen], dim=1)))
        hidden = (1 - update) * hidden + update * candidate
        return hidden, self.flow(hidden)


class RecurrentFlow(nn.Module):
    """Images of ``channels``; ``sensors`` encoders with weights of their own; so many iterations."""

    def __init__(self, channels: int = 1, width: float = 1.0, sensors: int = 2, iterations: int = 3) -> None:
        super().__init__()
        first, matched, self.hidden = scaled((32, 64, 64), width)
        self.iterations, self.stride_px = iterations, STRIDE_PX
        self.encoders = SensorEncoders(partial(_Encoder, channels, first, matched, self.hidden), sensors)
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
        self.recurrence = _Recurrence(self.hidden)
        self.upsampling = nn.Sequential(convolution(self.hidden, self.hidden), nn.Conv2d(self.hidden, 9 * 16, 1))
        self.confidence = ConfidenceHead(self.hidden + 2 * SPAN**2)
        initialise(self)
        self.encoders.start_alike()

    def forward(self, *images: Tensor, sensors: tuple[int, int] = (0, 1)) -> Estimate:
        """Flow from reference to moving image, each (B, C, H, W) of any size; see `pairs_of` for twins.

        With twins the batch of the answer is three times as long: the pair, then the pairs of either sensor.
        """
        rows, cols = images[0].shape[-2:]
        (first, context), (second, _) = self.encoders(pairs_of([grown(each, STRIDE_PX) for each in images], sensors))
        volume = correlation(first, second, REACH)
        volumes = _volumes(volume)
        hidden, context = context.chunk(2, dim=1)
        hidden, context = torch.tanh(hidden), F.leaky_relu(context)
        flow = _matched(volume, self.sharpness)
        steps = [Step(flow * STRIDE_PX, STRIDE_PX, 1.0)]
        for index in range(self.iterations):
            flow = flow.detach()
            hidden, more = self.recurrence(hidden, context, looked_up(volumes, flow), flow)
            flow = flow + more
            steps.append(Step(flow * STRIDE_PX, STRIDE_PX, DECAY ** (self.iterations - index)))
        steps.append(Step(_convex(flow, self.upsampling(hidden)), 1, 1.0))
        logit = self.confidence(hidden, looked_up(volumes, flow))
        logit = F.interpolate(logit, scale_factor=float(STRIDE_PX), mode="bilinear", align_corners=False)
        return Estimate(steps[-1].flow[..., :rows, :cols], logit[..., :rows, :cols], tuple(steps))


def _matched(volume: Tensor, sharpness: Tensor) -> Tensor:
    """The displacement (B, 2, h, w) that the cost volume speaks for, in pixels of it: a softmax-weighted mean."""
    along = torch.arange(-REACH, REACH + 1, device=volume.device, dtype=torch.float32)
    side = 2 * REACH + 1
    agreed = _averaged(_averaged(volume.float(), 2), 3)
    shares = (sharpness * agreed).softmax(dim=1).reshape(len(volume), side, side, *volume.shape[-2:])
    u, v = (shares.sum(1) * along[:, None, None]).sum(1), (shares.sum(2) * along[:, None, None]).sum(1)
    return torch.stack([u, v], dim=1)


def _averaged(volume: Tensor, axis: int) -> Tensor:
    """The mean of `AGREED` neighbours along an axis, 0 beyond the border; shifted sums are faster here than pooling."""
    reach = AGREED // 2
    padded = F.pad(volume, (0, 0, reach, reach) if axis == 2 else (reach, reach))
    return sum((padded.narrow(axis, k, volume.shape[axis]) for k in range(AGREED)), torch.zeros(())) / AGREED


def _volumes(volume: Tensor) -> tuple[Tensor, Tensor]:
    """The cost volume of each pixel as an image (B * h * w, 1, dy, dx), and the same at half the resolution."""
    side = 2 * REACH + 1
    fine = volume.permute(0, 2, 3, 1).reshape(-1, 1, side, side).float()
    # three by three about every second displacement, so that both scales share their centre
    return fine, F.avg_pool2d(fine, 3, 2, 1, count_include_pad=False)


def looked_up(volumes: tuple[Tensor, Tensor], flow: Tensor) -> Tensor:
    """Costs about ``flow`` (B, 2, h, w, in pixels of it), bilinear: (B, 2 * 49, h, w); 0 beyond the reach."""
    batch, _, rows, cols = flow.shape
    around = torch.arange(-LOOKUP, LOOKUP + 1, device=flow.device, dtype=flow.dtype)
    window = torch.stack(torch.meshgrid(around, around, indexing="xy"), dim=-1)  # (dy, dx, 2)
    centre = flow.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
    found = []
    for scale, volume in enumerate(volumes):
        extent = (volume.shape[-1] - 1) / 2
        found.append(F.grid_sample(volume, (centre / 2**scale + window) / extent, align_corners=True))
    costs = torch.cat(found, dim=1).reshape(batch, rows, cols, -1)
    return costs.permute(0, 3, 1, 2)


def _convex(flow: Tensor, logits: Tensor) -> Tensor:
    """Flow at full resolution and in its pixels: each pixel a weighted mean of nine coarse ones."""
    batch, _, rows, cols = flow.shape
    shares = logits.float().reshape(batch, 1, 9, STRIDE_PX, STRIDE_PX, rows, cols).softmax(dim=2)
    around = F.unfold(F.pad(STRIDE_PX * flow, (1, 1, 1, 1), mode="replicate"), 3)
    mixed = (shares * around.reshape(batch, 2, 9, 1, 1, rows, cols)).sum(2)  # (B, 2, dy, dx, h, w)
    return mixed.permute(0, 1, 4, 2, 5, 3).reshape(batch, 2, STRIDE_PX * rows, STRIDE_PX * cols)
