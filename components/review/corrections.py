"""What came back of a chip: regions in its pixels, by whom, when, and what the person says of the label."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from shapely.geometry import mapping

from components.errors import BadParams
from components.review.project import Project
from components.review.shapes import Region
from components.tasks.review_history import DRAWN


@dataclass(frozen=True)
class Correction:
    """The regions that a person left on a chip; with the verdict `cannot tell` they do not count."""

    chip: str
    regions: tuple[Region, ...]
    by: str
    when: str  # ISO 8601
    verdict: str = DRAWN

    @property
    def digest(self) -> str:
        """SHA-256 of what was drawn, by whom and when: the same annotation imported again has the same."""
        drawn = [[each.label, mapping(each.shape)] for each in self.regions]
        content = [self.chip, self.by, self.when, self.verdict, drawn]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Author:
    """Who drew and when, for files that do not say it themselves."""

    by: str
    when: str


def require_classes(regions: Sequence[Region], project: Project, allowed: Sequence[str], where: object) -> None:
    """Nothing where every region has a class of the project.

    Raises:
        BadParams: names the label that is none.
    """
    for region in regions:
        if region.label not in allowed:
            names = ", ".join(allowed)
            raise BadParams(where, f"expected a label of {names}, found {region.label!r}; rename it in {project.id}")
