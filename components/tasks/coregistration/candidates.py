"""The network that a run names, untrained."""

from __future__ import annotations

from components.tasks.coregistration.families import FAMILIES
from components.tasks.coregistration.learnt import LearntTemplates
from components.tasks.coregistration.networks import FlowNetwork
from components.tasks.coregistration.options import MethodOptions


def network_of(options: MethodOptions) -> FlowNetwork:
    """The untrained network that the options name."""
    kind = LearntTemplates if options.name == "learnt-templates" else FlowNetwork
    return kind(options, FAMILIES[options.name])
