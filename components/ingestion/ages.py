"""How old a label is beside the image that it is laid on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from components.raster.scene import Scene


def age(oldest: date | None, newest: date | None, images: Iterable[Scene]) -> dict[str, Any]:
    """When a label and the last of its images are from, and the days between (positive: the image is younger)."""
    times = [_utc(scene.acquired) for scene in images if scene.acquired]
    image = max(times).date() if times else None
    said = {"oldest": oldest, "newest": newest, "image": image}
    known = {name: day.isoformat() if day else "unknown" for name, day in said.items()}
    days = {
        f"days since {name}": (image - day).days
        for name, day in (("oldest", oldest), ("newest", newest))
        if image and day
    }
    return {**known, **days}


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
