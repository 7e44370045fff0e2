"""PWC-Net, and PWC-Net-multimodal: pyramids of features, warped and compared level by level.

Sun et al.: PWC-Net: CNNs for optical flow using pyramid, warping, and cost volume, CVPR 2018,
https://arxiv.org/abs/1709.02371. The multimodal variant has an encoder of one shape with own weights for each sensor
and lacks the coarsest level, so that its reach falls from 256 to 128 px.

Departures: each level adds to the upsampled flow of the one before, which is upsampled bilinearly, instead of
starting anew from a learnt upsampling (short trainings converge); features may be scaled to unit length before they
are compared; any size is padded by repetition; a head adds a confidence. Loss weights are the paper's, restated for
means over pixels.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.correlation import correlation
from models.feature_warping import warp_features
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
    unit_length,
)
from models.matched_start import LEFT_UNIT, MatchedStart, WindowFeatures
from models.matched_start import STRIDE_PX as START_PX
from models.sensor_encoders import Features, SensorEncoders, pairs_of

CHANNELS = (16, 32, 64, 96, 128, 196)  # of the levels 1 (half resolution) to 6
DENSE = (128, 128, 96, 64, 32)
CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))  # channels, dilation
REACH = 4  # of the cost volume, in pixels of a level
EVIDENCE_REACH = 2  # of the cost volume about the final flow, from which confidence is told
TOP, TOP_MULTIMODAL = 6, 5  # the coarsest level, of the paper and of the variant for two sensors
WEIGHTS = {6: 0.25, 5: 0.25, 4: 0.25, 3: 0.5, 2: 1.0, 1: 1.0}  # 0.32 ... 0.005 for sums, as weights of means


class _Pyramid(nn.Module):
    """Features of the levels 1 to ``top``, each from a stride-2 and two further convolutions; if wanted, of windows."""

    def __init__(self, inputs: int, channels: tuple[int, ...], matched: bool = False) -> None:
        super().__init__()
        self.windows = WindowFeatures(inputs) if matched else None
        before = (inputs, *channels)
        self.levels = nn.ModuleList(
            nn.Sequential(convolution(n, m, stride=2), convolution(m, m), convolution(m, m))
            for n, m in zip(before, channels, strict=False)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = []
        shown = image
        for level in self.levels:
            image = level(image)
            features.append(image)
        if self.windows is not None:
            features.append(self.windows(shown))
        return tuple(features)


class _Estimator(nn.Module):
    """Convolutions that each see their input beside their answer, then a flow."""

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        before = (inputs + sum(widths[:index]) for index in range(len(widths)))
        self.layers = nn.ModuleList(convolution(n, m) for n, m in zip(before, widths, strict=True))
        self.flow = flow_convolution(inputs + sum(widths))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.layers:
            x = torch.cat([layer(x), x], dim=1)
        return self.flow(x), x


class PWCNet(nn.Module):
    """Images of ``channels``, levels ``top`` down to ``finest``; ``sensors`` encoders with weights of their own."""

    def __init__(
        self,
        channels: int = 1,
        width: float = 1.0,
        sensors: int = 1,
        top: int = TOP,
        finest: int = 2,
        normalised: bool = False,
        matched: bool = False,
    ) -> None:
        super().__init__()
        self.top, self.finest, self.normalised, self.stride_px = top, finest, normalised, 2**top
        pyramid, dense = scaled(CHANNELS[:top], width), scaled(DENSE, width)
        self.encoders = SensorEncoders(partial(_Pyramid, channels, pyramid, matched), sensors)
        self.start = MatchedStart() if matched else None
        cost = (2 * REACH + 1) ** 2
        inputs = [cost, *(cost + pyramid[level - 1] + 4 for level in self.levels[1:])]
        self.estimators = nn.ModuleList(_Estimator(n, dense) for n in inputs)
        outputs = [n + sum(dense) for n in inputs]
        self.feature_ups = nn.ModuleList(nn.ConvTranspose2d(n, 2, 4, 2, 1) for n in outputs[:-1])
        wide = scaled([count for count, _ in CONTEXT], width)
        before = (outputs[-1], *wide)
        layers = (convolution(n, m, dilation=d) for n, m, (_, d) in zip(before, wide, CONTEXT, strict=False))
        self.context = nn.Sequential(*layers, flow_convolution(wide[-1]))
        self.confidence = ConfidenceHead(outputs[-1] + (2 * EVIDENCE_REACH + 1) ** 2)
        initialise(self)
        self.encoders.start_alike()

    @property
    def levels(self) -> range:
        """The levels from coarse to fine; level l has a 2^l-th of the resolution."""
        return range(self.top, self.finest - 1, -1)

    def forward(self, *images: Tensor, sensors: tuple[int, int] = (0, 1)) -> Estimate:
        """Flow from reference to moving image, each (B, C, H, W) of any size; see `pairs_of` for twins.

        With twins the batch of the answer is three times as long: the pair, then the pairs of either sensor.
        """
        shape = images[0].shape[-2:]
        pairs = pairs_of([grown(image, self.stride_px) for image in images], sensors)
        first, second = self.encoders(pairs)
        unit = 1.0 if self.start is None else LEFT_UNIT
        steps: list[Step] = []
        flow, features = self._coarsest(first, second, steps)
        for index, level in enumerate(self.levels[1:], 1):
            upper, hint = resized(flow, 2), self.feature_ups[index - 1](features)
            warped = warp_features(second[level - 1], upper * self.pixels_per_unit(level))
            cost = self._cost(first[level - 1], warped)
            more, features = self.estimators[index](torch.cat([cost, first[level - 1], upper, hint], dim=1))
            flow = upper + unit * more
            if level == self.finest:
                flow = flow + unit * self.context(features)
            steps.append(self._step(flow, level))
        evidence = self._evidence(first[self.finest - 1], second[self.finest - 1], flow)
        stride = 2**self.finest
        logit = resized(self.confidence(features, evidence), stride, shape)
        return Estimate(resized(steps[-1].flow, stride, shape), logit, tuple(steps))

    def _coarsest(self, first: Features, second: Features, steps: list[Step]) -> tuple[Tensor, Tensor]:
        """The flow of the coarsest level and the features that told it; what was found goes to ``steps``, too."""
        reference, moving = first[self.top - 1], second[self.top - 1]
        if self.start is None:
            flow, features = self.estimators[0](self._cost(reference, moving))
        else:
            begun = self.start(first[-1], second[-1]) / FLOW_UNIT_PX
            steps.append(Step(begun * FLOW_UNIT_PX, START_PX, 1.0))
            begun = F.interpolate(begun, reference.shape[-2:], mode="area")
            warped = warp_features(moving, begun * self.pixels_per_unit(self.top))
            more, features = self.estimators[0](self._cost(reference, warped))
            flow = begun + LEFT_UNIT * more
        steps.append(self._step(flow, self.top))
        return flow, features

    @staticmethod
    def _step(flow: Tensor, level: int) -> Step:
        return Step(flow * FLOW_UNIT_PX, 2**level, WEIGHTS[level])

    @staticmethod
    def pixels_per_unit(level: int) -> float:
        """How many pixels of a level one unit of flow is: 0.625, 1.25, 2.5, 5 at the levels 5, 4, 3, 2."""
        return FLOW_UNIT_PX / 2.0**level

    def _cost(self, first: Tensor, second: Tensor) -> Tensor:
        if self.normalised:
            first, second = unit_length(first), unit_length(second)
        return F.leaky_relu(correlation(first, second, REACH), SLOPE)

    def _evidence(self, first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
        """How alike the features are at the final flow and about it; in -1..1."""
        with torch.no_grad():
            warped = warp_features(unit_length(second), flow * self.pixels_per_unit(self.finest))
            return correlation(unit_length(first), warped, EVIDENCE_REACH)


class PWCNetMultimodal(PWCNet):
    """Two encoders with weights of their own, levels 5 to 2 unless ``top`` says otherwise."""

    def __init__(
        self,
        channels: int = 1,
        width: float = 1.0,
        top: int = TOP_MULTIMODAL,
        finest: int = 2,
        normalised: bool = False,
        matched: bool = False,
    ) -> None:
        super().__init__(channels, width, sensors=2, top=top, finest=finest, normalised=normalised, matched=matched)
