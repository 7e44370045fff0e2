"""One encoder for all images, or one for each sensor; everything behind the features is shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

Features = tuple[Tensor, ...]  # of a batch of images, in the order the encoder gives them


class Seen(NamedTuple):
    """A batch of images (B, C, H, W) and the sensor that took them."""

    image: Tensor
    sensor: int


class SensorEncoders(nn.Module):
    """``count`` encoders of one shape, each with weights of its own (PWC-Net-multimodal).

    `start_alike` gives all of them the same first weights: what one sensor's features mean, the other's mean too.
    """

    def __init__(self, make: Callable[[], nn.Module], count: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(make() for _ in range(count))

    def start_alike(self) -> None:
        """The first encoder's weights in all of them; training lets them part."""
        for encoder in self.encoders[1:]:
            encoder.load_state_dict(self.encoders[0].state_dict())

    def forward(self, pairs: Sequence[tuple[Seen, Seen]]) -> tuple[Features, Features]:
        """Features of the first and of the second images of all pairs, one pair after the other in the batch.

        An image that stands in several pairs is encoded once, and all images of a sensor together.
        """
        asked = {(id(seen.image), seen.sensor): seen for pair in pairs for seen in pair}
        found: dict[tuple[int, int], Features] = {}
        for index, encoder in enumerate(self.encoders):
            keys = [key for key, seen in asked.items() if seen.sensor % len(self.encoders) == index]
            if keys:
                parts = [each.chunk(len(keys)) for each in encoder(torch.cat([asked[key].image for key in keys]))]
                found |= dict(zip(keys, zip(*parts, strict=True), strict=True))
        sides = ([found[id(pair[side].image), pair[side].sensor] for pair in pairs] for side in (0, 1))
        first, second = (tuple(torch.cat(parts) for parts in zip(*side, strict=True)) for side in sides)
        return first, second


def pairs_of(images: Sequence[Tensor], sensors: tuple[int, int]) -> list[tuple[Seen, Seen]]:
    """The pair itself, and where the twins follow, the pairs of one sensor.

    ``images`` are reference, moving, and (in training) the twin of the reference as the moving sensor sees it and the
    twin of the moving image as the sensor of the reference sees it. ``sensors`` are those of reference and moving.
    """
    first, second = sensors
    reference, moving, *twins = images
    pairs = [(Seen(reference, first), Seen(moving, second))]
    if twins:
        reference_twin, moving_twin = twins
        pairs.append((Seen(reference_twin, second), Seen(moving, second)))
        pairs.append((Seen(reference, first), Seen(moving_twin, first)))
    return pairs
