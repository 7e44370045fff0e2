"""How old a label is beside its image, as ingestion recorded it (`dates` or the dates of features in dataset.yaml)."""

from __future__ import annotations

from components.raster.dataset import Source

FEATURES = "-features"  # of a role: the features that its class map was made of


def age_column(source: Source, role: str) -> dict[str, int | None]:
    """``label_age_days``: from the newest part of a label to its last image; null where one of both has no date.

    Negative where the label is younger than the image.
    """
    said = source.properties.get(f"swath:{role.removesuffix(FEATURES)}") or {}
    return {"label_age_days": said.get("age", {}).get("days since newest")}
