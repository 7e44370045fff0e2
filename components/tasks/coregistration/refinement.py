"""The flow of a network looked at again by template matching: what a network says to a pixel, windows say to less.

Networks answer on cells of 4 px and learn little of fractions in a short training; matching on orientation channels
finds them, but only searches a few pixels here, around what the network found.
"""

from __future__ import annotations

import numpy as np

from components.tasks.coregistration.filters import Flow, Image
from components.tasks.coregistration.lattice import Lattice, smooth_field
from components.tasks.coregistration.structure import Structure, brought_along, structure_of
from components.tasks.coregistration.template_settings import TemplateSettings
from components.tasks.coregistration.templates import agreeing
from components.tasks.coregistration.window_matching import Matches, match

NEAR = TemplateSettings(reach=4)  # px around the flow of the network: what a short training leaves it wrong by
LOOKS = 3  # the first is drawn towards whole pixels, the others see what is left near zero


def refined(reference: Image, moving: Image, flow: Flow, confidence: Image) -> tuple[Flow, Image]:
    """Flow ``(2, row, col)`` in px and confidence ``(row, col)`` 0..1, matched again within 4 px in windows of 65 px.

    The images are grey ``(row, col)``, NaN where there is no pixel; a flow that is not finite counts as none. The
    flow becomes as smooth as that of template matching. Where no window agrees with its neighbours, flow and confidence
    stay what they were; elsewhere confidence is the share of windows that agree.
    """
    found, sure = _looked_again(structure_of(reference), structure_of(moving), np.nan_to_num(flow))
    agrees = sure > 0
    return np.where(agrees, found, flow), np.where(agrees, sure, confidence)


def _looked_again(reference: Structure, moving: Structure, flow: Flow) -> tuple[Flow, Image]:
    """The flow around a given one, and the share of windows that agree.

    Each look brings the moving features along the flow that is known so far, and matches what is left. Confidence is
    that of the first: later ones are drawn to agree, unrelated ground too.
    """
    lattice = Lattice.over(reference.known.shape, NEAR.step)
    nodes = np.s_[:, lattice.rows[:, None], lattice.cols]
    everywhere = np.ones((len(lattice.rows), len(lattice.cols)), np.float32)
    smooth, _ = smooth_field(flow[nodes], everywhere, lattice, reference.known.shape)
    sures: list[Image] = []
    for _ in range(LOOKS):
        more = agreeing(match(reference, brought_along(moving, smooth), lattice, NEAR), NEAR)
        found = Matches(smooth[nodes] + more.flow, more.weight)
        smooth, sure = smooth_field(found.flow, found.weight, lattice, reference.known.shape)
        sures.append(sure)
    return smooth, sures[0]
