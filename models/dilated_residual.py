"""A dilated residual network for despeckling, in the style of SAR-DRN.

Zhang, Yuan, Li, Yang and Ma 2018, Learning a Dilated Residual Network for SAR Image Despeckling,
https://doi.org/10.3390/rs10020196: seven 3 x 3 convolutions of 64 channels, dilated 1, 2, 3, 4, 3, 2, 1, rectified but
for the last; the output of layer 1 is added to the input of layer 3 and that of layer 4 to the input of layer 7. The
answer is the input less what the last layer says. No normalisation layers: answers do not depend on the batch.
Departures: it sees logarithms of intensity (the paper: the image), and starts as the identity, because the last layer
starts at zero: the first steps then correct speckle rather than undo a random image.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (1, 2, 3, 4, 3, 2, 1)
WIDTH = 64
RECEPTIVE_PX = sum(DILATIONS)  # 16: no pixel farther away counts, the field is 33 x 33 px (a test measures it)
STRIDE_PX = 1


class DilatedResidual(nn.Module):
    """The network for ``bands`` channels in and out."""

    def __init__(self, bands: int, width: int = WIDTH) -> None:
        super().__init__()
        widths = [bands, *[width] * (len(DILATIONS) - 1), bands]
        pairs = zip(widths, widths[1:], DILATIONS, strict=False)
        self.layers = nn.ModuleList(_convolution(*each) for each in pairs)
        nn.init.zeros_(self.get_parameter("layers.6.weight"))

    def forward(self, x: Tensor) -> Tensor:
        """Filtered logarithms (B, bands, H, W) of noisy ones of the same shape; any size."""
        first = F.relu(self.layers[0](x))
        third = F.relu(self.layers[2](F.relu(self.layers[1](first)) + first))
        fourth = F.relu(self.layers[3](third))
        sixth = F.relu(self.layers[5](F.relu(self.layers[4](fourth))))
        residual: Tensor = self.layers[6](sixth + fourth)
        return x - residual


def _convolution(inputs: int, outputs: int, dilation: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
