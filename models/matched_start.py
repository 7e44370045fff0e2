"""Where a flow may begin: at the displacement that the windows of two images speak for, in place of 0.

Windows of features are compared by normalised correlation, as in template matching; the mean displacement, weighed by a
softmax, is the answer, so that what is learnt reaches the features (as in GMFlow, Xu et al. 2022,
https://arxiv.org/abs/2111.13680). Features are the image itself at half its resolution and what a small network adds to
it, at first next to nothing: a network that is shown edge directions begins as template matching on them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.correlation import correlation
from models.feature_warping import warp_features
from models.flow_estimate import Estimate, FlowConvolution, Step, convolution, grown, initialise, resized
from models.window_correlation import window_correlation

CELL_PX = 2  # of the features
RADIUS, REACH = 8, 6  # of windows and search, in cells
STRIDE_CELLS = 4  # every fourth window is compared
STRIDE_PX = STRIDE_CELLS * CELL_PX
AGREED = 2  # windows to each side whose scores are averaged
WIDTH = 24  # channels of the small network
LEFT_UNIT = 0.1  # what is added to a start is said in tenths: a first step of Adam could move a flow by many px
SHARPNESS = 50.0  # of the softmax, before training


class WindowFeatures(nn.Module):
    """Features (B, C, h, w) of an image (B, C, H, W) in cells of 2 x 2 px."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(convolution(channels, WIDTH, stride=CELL_PX), convolution(WIDTH, WIDTH, dilation=2))
        self.last = FlowConvolution(WIDTH, channels, 3, padding=1)  # as quiet at first as a layer that says a flow
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """The mean of each cell and the correction of it."""
        return F.avg_pool2d(image, CELL_PX) + self.last(self.first(image))  # type: ignore[no-any-return]


class MatchedStart(nn.Module):
    """A flow (B, 2, H / 8, W / 8) in px, within 12 px, from features of both images."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The mean displacement of the windows about every fourth cell; those outside of the image do not count."""
        scores = window_correlation(first, second, RADIUS, REACH, STRIDE_CELLS).clamp(-1, 1)
        ones = torch.ones_like(first[:1, :1])
        inside = correlation(ones, ones, REACH)[..., ::STRIDE_CELLS, ::STRIDE_CELLS] > 0
        scores = torch.where(inside, scores, -torch.ones_like(scores))
        agreed = F.avg_pool2d(F.pad(scores, (AGREED,) * 4, mode="replicate"), 2 * AGREED + 1, 1)
        side = 2 * REACH + 1
        shares = (self.sharpness * agreed).softmax(dim=1).reshape(len(agreed), side, side, *agreed.shape[-2:])
        along = torch.arange(-REACH, REACH + 1, device=first.device, dtype=shares.dtype)[:, None, None]
        return CELL_PX * torch.stack([(shares.sum(axis) * along).sum(1) for axis in (1, 2)], dim=1)


class BegunFlow(nn.Module):
    """A network of two images that begins at their matched windows and sees the moving image brought along by them.

    ``network`` says what is left of the flow, and how sure it is; one sort of features for images of ``channels``.
    """

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network, self.windows, self.start = network, WindowFeatures(channels), MatchedStart()

    def forward(self, reference: Tensor, moving: Tensor) -> Estimate:
        """Flow from ``reference`` to ``moving``, each (B, C, H, W) of any size."""
        shape = reference.shape[-2:]
        first, second = (self.windows(grown(each, STRIDE_PX)) for each in (reference, moving))
        begun = self.start(first, second)
        brought = warp_features(moving, resized(begun, STRIDE_PX, shape))
        left: Estimate = self.network(reference, brought)
        steps = [step._replace(flow=_onto(begun, step) + LEFT_UNIT * step.flow) for step in left.steps]
        whole = resized(begun, STRIDE_PX, shape) + LEFT_UNIT * left.flow
        return Estimate(whole, left.logit, (Step(begun, STRIDE_PX, 1.0), *steps))


def _onto(begun: Tensor, step: Step) -> Tensor:
    """The first flow on the grid of a step, which may reach beyond it where a network grew the images further."""
    rows, cols = (side * step.stride for side in step.flow.shape[-2:])
    large = resized(begun, STRIDE_PX)
    more = (0, max(cols - large.shape[-1], 0), 0, max(rows - large.shape[-2], 0))
    return F.avg_pool2d(F.pad(large, more, mode="replicate")[..., :rows, :cols], step.stride)
