"""Is it linear or in decibels? Said by a person or by the file, and checked against the numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene, UnitMismatch
from components.raster.scene import Unit

RADAR_UNITS: tuple[Unit, ...] = ("amplitude", "intensity", "db")
NEGATIVE = 0.05  # share of negative pixels that noise subtraction does not explain
FLAT, FLAT_FROM, FLAT_TO = 0.25, 10.0, 100.0  # decibels of uncalibrated numbers: all near 50, without linear spread
DB_FROM, DB_TO = 5.0, 100.0  # ground is darker than 0 dB; uncalibrated numbers in decibels stay below 100


def radar_unit(declared: Unit | None, found: Unit, where: object) -> Unit:
    """The unit that is declared, or that the file names.

    Raises:
        UnitMismatch: if both say something and it differs, or the unit is none of a radar image.
        BadScene: if neither says anything.
    """
    says = found if found in RADAR_UNITS else None
    if declared is not None and declared not in RADAR_UNITS:
        raise UnitMismatch(where, " or ".join(RADAR_UNITS), declared)
    if declared is not None and says is not None and declared != says:
        raise UnitMismatch(where, f"{declared} as declared", says)
    unit = declared or says
    if unit is None:
        reason = f"nothing says whether its {found} are {', '.join(RADAR_UNITS)}"
        raise BadScene(where, reason, "declare the unit, or write it into the file")
    return unit


def require_plausible(values: NDArray[np.float32], unit: Unit, where: object) -> None:
    """Nothing where sampled numbers may have the unit; pixels without data are ignored.

    Decibels taken for linear are known by negative numbers, or by numbers around 50 that lie too close together for
    intensities under speckle; linear numbers taken for decibels by their sign and median.

    Raises:
        BadScene: names what was found and the unit that it looks like.
    """
    seen = values[np.isfinite(values)]
    if not seen.size:
        return
    low, median, high = (float(number) for number in np.quantile(seen, (0.1, 0.5, 0.9)))
    negative = float((seen < 0).mean())
    if unit == "db":
        if negative == 0 and (median < DB_FROM or median > DB_TO):
            reason = f"declared as db, but no sampled pixel is negative and their median is {median:.3g}: looks linear"
            raise BadScene(where, reason, "declare the unit `intensity` or `amplitude`")
        return
    if negative > NEGATIVE:
        reason = f"declared as {unit}, but {negative:.0%} of the sampled pixels are negative: looks like decibels"
        raise BadScene(where, reason, "declare the unit `db`")
    if unit == "intensity" and FLAT_FROM < median < FLAT_TO and high - low < FLAT * median:
        reason = f"declared as intensity, but sampled pixels lie within {low:.4g} and {high:.4g}: looks like decibels"
        raise BadScene(where, reason, "declare the unit `db`")
