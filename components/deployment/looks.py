"""A version told how many looks the scenes at hand have, where it would otherwise assume or estimate them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from components.deployment.loading import LoadedVersion
from components.errors import BadParams
from components.tasks.seam import Restorable

LOOKS = "looks"  # the key in the section `method` of a run's parameters


def with_looks(version: LoadedVersion, looks: Sequence[float]) -> LoadedVersion:
    """The version with the equivalent number of looks declared: one for all bands, or for a series one for each.

    Raises:
        BadParams: if the version learnt from scenes of certain looks, its method knows no looks, or their number is
            not that of the bands.
    """
    (first, *_) = version.spec.inputs
    bands = len(first.bands)
    if isinstance(version.method, Restorable):
        learnt = version.params.method.get(LOOKS)
        assumed = f" of {learnt} looks" if learnt else ""
        raise BadParams(
            version.run, f"looks: it learnt from scenes{assumed}, and nothing can be declared; leave it out"
        )
    if len(looks) not in ((1, bands) if first.kind == "stack" else (1,)):
        wanted = f"1 or {bands} (one for each of {', '.join(first.bands)})" if first.kind == "stack" else "1"
        raise BadParams(version.run, f"looks: expected {wanted} numbers, found {len(looks)}")
    declared = list(looks) * (bands if len(looks) == 1 else 1) if first.kind == "stack" else looks[0]
    params = version.params.model_copy(update={"method": {**version.params.method, LOOKS: declared}})
    method = version.task.methods(params).candidate
    return replace(version, params=params, method=method)
