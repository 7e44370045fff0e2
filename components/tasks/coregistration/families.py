"""The flow networks by name: how each is made, and how a scene is cut into tiles for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.structure import ORIENTATIONS
from components.tasks.coregistration.views import channels_of
from models.flownet import FlowNetS
from models.pwcnet import PWCNet, PWCNetMultimodal
from models.recurrent_flow import RecurrentFlow
from models.structural_features import StructuralFeatures


class Family(NamedTuple):
    """A network: how it is made for a number of sensors, and how its tiles are cut.

    No tile holds the receptive field of such a network: beyond ``halo_px`` its influence is small, and neighbouring
    tiles are blended over ``blend_px``.
    """

    make: Callable[[MethodOptions, int], nn.Module]
    stride_px: int
    halo_px: int
    blend_px: int
    per_sensor: bool  # an encoder for each sensor
    twinned: bool  # trained on pairs of one sensor beside the pairs of two


def _flownet(options: MethodOptions, _sensors: int) -> nn.Module:
    return FlowNetS(2 * channels_of(options), options.width)


def _pwcnet(options: MethodOptions, _sensors: int) -> nn.Module:
    return PWCNet(channels_of(options), options.width, finest=options.finest_level, normalised=options.normalised)


def _multimodal(options: MethodOptions, _sensors: int) -> nn.Module:
    return PWCNetMultimodal(
        channels_of(options), options.width, finest=options.finest_level, normalised=options.normalised
    )


def _recurrent(options: MethodOptions, sensors: int) -> nn.Module:
    return RecurrentFlow(channels_of(options), options.width, sensors, options.iterations)


def _learnt(options: MethodOptions, sensors: int) -> nn.Module:
    return StructuralFeatures(ORIENTATIONS, options.width, sensors)


FAMILIES = {
    "flownet-s": Family(_flownet, 64, 128, 64, per_sensor=False, twinned=False),
    "pwc-net": Family(_pwcnet, 64, 128, 64, per_sensor=False, twinned=False),
    "pwc-net-multimodal": Family(_multimodal, 32, 128, 64, per_sensor=True, twinned=True),
    "recurrent-flow": Family(_recurrent, 4, 96, 64, per_sensor=True, twinned=True),
    # its halo and alignment follow from the settings of the templates
    "learnt-templates": Family(_learnt, 16, 160, 32, per_sensor=True, twinned=False),
}
