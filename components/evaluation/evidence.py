"""What the gate knows of one method: its scores on every draw of units, unit by unit, and its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.metrics.bootstrap import BootstrapParams, Resampled, Summarise, by_unit, resample
from components.tasks.params import RunParams
from components.tasks.seam import Row, Rows, Scores


@dataclass(frozen=True)
class Cost:
    """What one megapixel costs: seconds, and memory above the idle process in megabytes (10^6 bytes)."""

    seconds_per_megapixel: float
    peak_memory_mb: float


@dataclass(frozen=True)
class Evidence:
    """Scores of one method with their draws, the same scores in every unit, and the cost where it was measured."""

    overall: Resampled
    regions: Mapping[str, Scores]
    cost: Cost | None = None

    @classmethod
    def of(cls, rows: Rows, summarise: Summarise[Row], settings: BootstrapParams, cost: Cost | None = None) -> Evidence:
        """The evidence in rows.

        Raises:
            NotEnoughData: if there is no row.
        """
        regions = {unit: dict(summarise(own)) for unit, own in by_unit(rows).items()}
        return cls(resample(rows, summarise, settings), regions, cost)


def bootstrap_params(params: RunParams) -> BootstrapParams:
    """How the run wants its intervals."""
    return BootstrapParams(params.evaluation.resamples, params.evaluation.confidence, params.seed)
