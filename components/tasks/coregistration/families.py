"""The flow networks by name: how each is made, and how a scene is cut into tiles for it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, lcm
from typing import Any, NamedTuple

from torch import nn

from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.structure import ORIENTATIONS
from components.tasks.coregistration.template_settings import reach_px
from components.tasks.coregistration.views import channels_of
from models import structural_features
from models.flownet import FlowNetS
from models.matched_start import BegunFlow
from models.pwcnet import TOP, TOP_MULTIMODAL, PWCNet, PWCNetMultimodal
from models.recurrent_flow import RecurrentFlow
from models.structural_features import StructuralFeatures

Length = Callable[[MethodOptions], int]  # in px, as the options of a run make it
HALO_STEP_PX = 32


class Family(NamedTuple):
    """A network: how it is made for a number of sensors, and how its tiles are cut.

    Tiles start on multiples of ``alignment_px``. No tile holds the receptive field of such a network: beyond
    ``halo_px`` its influence is small, and neighbouring tiles are blended over ``blend_px``.
    """

    make: Callable[[MethodOptions, int], nn.Module]
    alignment_px: Length
    halo_px: Length
    blend_px: int
    per_sensor: bool  # an encoder for each sensor
    twinned: bool  # trained on pairs of one sensor beside the pairs of two


def _flownet(options: MethodOptions, _sensors: int) -> nn.Module:
    network = FlowNetS(2 * channels_of(options), options.width)
    return BegunFlow(network, channels_of(options)) if options.matched else network


def _levels(options: MethodOptions) -> tuple[int, int]:
    """Coarsest and finest level of a pyramid: those of the papers, unless the run begins at a finer one."""
    usual = TOP_MULTIMODAL if options.name == "pwc-net-multimodal" else TOP
    return options.coarsest_level or usual, options.finest_level


def _pwcnet(options: MethodOptions, _sensors: int) -> nn.Module:
    return PWCNet(channels_of(options), options.width, **_pyramid(options))


def _multimodal(options: MethodOptions, _sensors: int) -> nn.Module:
    return PWCNetMultimodal(channels_of(options), options.width, **_pyramid(options))


def _pyramid(options: MethodOptions) -> dict[str, Any]:
    top, finest = _levels(options)
    return {"top": top, "finest": finest, "normalised": options.normalised, "matched": options.matched}


def _recurrent(options: MethodOptions, sensors: int) -> nn.Module:
    return RecurrentFlow(channels_of(options), options.width, sensors, options.iterations)


def _learnt(options: MethodOptions, sensors: int) -> nn.Module:
    return StructuralFeatures(ORIENTATIONS, options.width, sensors)


def _always(length_px: int) -> Length:
    return lambda _options: length_px


def _templates_halo(options: MethodOptions) -> int:
    return ceil((reach_px(options.templates) + structural_features.REACH_PX) / HALO_STEP_PX) * HALO_STEP_PX


def _templates_alignment(options: MethodOptions) -> int:
    return lcm(options.templates.step, structural_features.STRIDE_PX)


def _pyramid_alignment(options: MethodOptions) -> int:
    return int(2 ** _levels(options)[0])


def _pyramid_halo(options: MethodOptions) -> int:
    """Coarse cells see far: with 128 px, tiles of a pyramid that begins at cells of 64 px join with steps of 0.2 px."""
    return 256 if _levels(options)[0] > TOP_MULTIMODAL else 128


FAMILIES = {
    "flownet-s": Family(_flownet, _always(64), _always(128), 64, per_sensor=False, twinned=False),
    "pwc-net": Family(_pwcnet, _pyramid_alignment, _pyramid_halo, 128, per_sensor=False, twinned=False),
    "pwc-net-multimodal": Family(_multimodal, _pyramid_alignment, _pyramid_halo, 64, per_sensor=True, twinned=True),
    "recurrent-flow": Family(_recurrent, _always(4), _always(96), 64, per_sensor=True, twinned=True),
    "learnt-templates": Family(_learnt, _templates_alignment, _templates_halo, 32, per_sensor=True, twinned=False),
}
