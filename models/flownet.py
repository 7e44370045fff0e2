"""FlowNetS: both images stacked at the input, an encoder, and a decoder that refines the flow from scale to scale.

Dosovitskiy et al.: FlowNet: Learning optical flow with convolutional networks, ICCV 2015,
https://arxiv.org/abs/1504.06852. Layers, scales and loss weights are the paper's (weights restated for means over
pixels). Departures: any size is padded by repetition, and a head adds a confidence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.flow_estimate import (
    FLOW_UNIT_PX,
    SLOPE,
    ConfidenceHead,
    Estimate,
    Step,
    convolution,
    flow_convolution,
    grown,
    initialise,
    resized,
    scaled,
)

STRIDE_PX = 64
LAYERS = (  # output channels, kernel, stride
    (64, 7, 2),
    (128, 5, 2),
    (256, 5, 2),
    (256, 3, 1),
    (512, 3, 2),
    (512, 3, 1),
    (512, 3, 2),
    (512, 3, 1),
    (1024, 3, 2),
    (1024, 3, 1),
)
SKIPS = (1, 3, 5, 7)  # layers whose answer the decoder sees again: scales 4, 8, 16, 32
UPWARDS = (512, 256, 128, 64)  # channels of the decoder at scales 32, 16, 8, 4
WEIGHTS = {64: 0.25, 32: 0.25, 16: 0.25, 8: 0.5, 4: 1.0}  # 0.32, 0.08, ... 0.005 for sums, as weights of means


class FlowNetS(nn.Module):
    """``channels`` of the two images together; ``width`` scales the channels of all layers."""

    def __init__(self, channels: int = 2, width: float = 1.0) -> None:
        super().__init__()
        wide = scaled([layer[0] for layer in LAYERS], width)
        up = scaled(UPWARDS, width)
        before = (channels, *wide)
        self.encoder = nn.ModuleList(
            convolution(n, m, kernel, stride) for n, m, (_, kernel, stride) in zip(before, wide, LAYERS, strict=False)
        )
        merged = [wide[-1], *(wide[skip] + m + 2 for skip, m in zip(reversed(SKIPS), up, strict=True))]
        self.ups = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(n, m, 4, 2, 1), nn.LeakyReLU(SLOPE))
            for n, m in zip(merged, up, strict=False)
        )
        self.flows = nn.ModuleList(flow_convolution(n) for n in merged)
        self.flow_ups = nn.ModuleList(nn.ConvTranspose2d(2, 2, 4, 2, 1) for _ in up)
        self.confidence = ConfidenceHead(merged[-1])
        initialise(self)

    def forward(self, reference: Tensor, moving: Tensor) -> Estimate:
        """Flow from ``reference`` to ``moving``, each (B, C, H, W) of any size."""
        x = grown(torch.cat([reference, moving], dim=1), STRIDE_PX)
        seen = []
        for layer in self.encoder:
            x = layer(x)
            seen.append(x)
        flow = self.flows[0](x)
        steps = [Step(flow * FLOW_UNIT_PX, STRIDE_PX, WEIGHTS[STRIDE_PX])]
        for index, skip in enumerate(reversed(SKIPS)):
            x = torch.cat([seen[skip], self.ups[index](x), self.flow_ups[index](flow)], dim=1)
            flow = self.flows[index + 1](x)
            stride = STRIDE_PX >> (index + 1)
            steps.append(Step(flow * FLOW_UNIT_PX, stride, WEIGHTS[stride]))
        shape = reference.shape[-2:]
        logit = resized(self.confidence(x), stride, shape)
        return Estimate(resized(steps[-1].flow, stride, shape), logit, tuple(steps))
