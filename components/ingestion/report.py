"""What an ingestion came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.errors import TooMuchLost
from components.raster.dataset import Quarantined


@dataclass(frozen=True)
class IngestReport:
    """What became of every candidate of a source folder: ids, and the quarantined with their reasons."""

    dataset: str
    ingested: tuple[str, ...]
    skipped: tuple[str, ...]  # already there, same bytes
    quarantined: tuple[Quarantined, ...]
    missing: tuple[str, ...] = ()  # of the quarantined: what a catalogue promised and could not be fetched

    @property
    def lost_fraction(self) -> float:
        """Quarantined share of everything found; 0 where nothing was found."""
        return len(self.quarantined) / self._found if self._found else 0.0

    @property
    def missing_fraction(self) -> float:
        """Share of everything found that could not be fetched."""
        return len(self.missing) / self._found if self._found else 0.0

    @property
    def _found(self) -> int:
        return len(self.ingested) + len(self.skipped) + len(self.quarantined)

    def require_kept(self, limit: float) -> None:
        """Nothing where at most ``limit`` of everything found was quarantined.

        Raises:
            TooMuchLost: with every reason.
        """
        if self.lost_fraction > limit:
            reasons = [f"{each.name}: {each.reason}" for each in self.quarantined]
            raise TooMuchLost(self.dataset, self.lost_fraction, limit, reasons)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return {
            "dataset": self.dataset,
            "ingested": list(self.ingested),
            "skipped": list(self.skipped),
            "quarantined": [{"name": each.name, "reason": each.reason} for each in self.quarantined],
            "lost_fraction": self.lost_fraction,
            "missing": list(self.missing),
            "missing_fraction": self.missing_fraction,
        }
