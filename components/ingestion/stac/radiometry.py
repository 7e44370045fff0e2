"""From stored numbers to values: one scale and one offset a band, applied once, with the reason beside it.

What dataset.yaml states wins over the item, the item over what is known of Sentinel-2. Catalogues are wrong about the
offset often enough (items that announce -0.1 for pixels that have it already) that the first word is the user's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import BadScene
from components.ingestion.roles import ImageDeclaration

QUANTIFICATION = 1e-4  # Sentinel-2: reflectance of one digital number
BOA_ADD_OFFSET = -1000  # digital numbers, from processing baseline 04.00 on
FIRST_WITH_OFFSET = 4.0
_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_BASELINE = ("s2:processing_baseline", "processing:version", "sentinel:processing_baseline")
_PRODUCT = ("s2:product_uri", "sentinel:product_id", "earthsearch:s3_path")


@dataclass(frozen=True)
class Radiometry:
    """value = stored number x ``scale`` + ``offset``; why, in words that the item of the scene keeps."""

    scale: float
    offset: float
    scale_from: str
    offset_from: str


def radiometry_of(item: Mapping[str, Any], raster: Mapping[str, Any], image: ImageDeclaration) -> Radiometry:
    """Scale and offset of one band; ``raster`` is what the raster extension says of it.

    Raises:
        BadScene: if nobody says the scale of reflectance, or the processing baseline of Sentinel-2 and so its offset.
    """
    stated = image.model_fields_set
    scale, scale_from = (image.scale, "dataset.yaml") if "scale" in stated else _scale(item, raster, image)
    if "offset" in stated:
        return Radiometry(scale, image.offset, scale_from, "dataset.yaml")
    offset, offset_from = _offset(item, raster, scale)
    return Radiometry(scale, offset, scale_from, offset_from)


def is_sentinel2(item: Mapping[str, Any]) -> bool:
    """True where constellation or platform says so (`sentinel-2a`, `Sentinel 2`)."""
    said = item["properties"].get("constellation") or item["properties"].get("platform") or ""
    return re.sub(r"[\s_]", "-", str(said)).lower().startswith("sentinel-2")


def baseline_of(item: Mapping[str, Any]) -> str | None:
    """The processing baseline (`05.09`) of a Sentinel-2 item, from its properties or the name of its product."""
    said = item["properties"]
    for name in _BASELINE:
        if found := re.fullmatch(r"(\d\d)\.?(\d\d)", str(said.get(name, ""))):
            return f"{found[1]}.{found[2]}"
    found = re.search(r"_N(\d\d)(\d\d)_", " ".join(product_names(item)))
    return f"{found[1]}.{found[2]}" if found else None


def product_names(item: Mapping[str, Any]) -> tuple[str, ...]:
    """What an item calls its product, its own id last; such a name holds baseline and tile."""
    return (*(str(item["properties"].get(name, "")) for name in _PRODUCT), str(item["id"]))


def _scale(item: Mapping[str, Any], raster: Mapping[str, Any], image: ImageDeclaration) -> tuple[float, str]:
    if raster.get("scale") is not None:
        return float(raster["scale"]), "raster extension"
    if image.unit == "reflectance" and is_sentinel2(item):
        return QUANTIFICATION, "Sentinel-2 quantification value 10000"
    if image.unit == "reflectance" and not str(raster.get("data_type")).startswith("float"):
        raise BadScene(item["id"], "no scale from numbers to reflectance", "state image.scale in dataset.yaml")
    return 1.0, "no scale"


def _offset(item: Mapping[str, Any], raster: Mapping[str, Any], scale: float) -> tuple[float, str]:
    said = item["properties"]
    if any(said.get(name) is True for name in _APPLIED):  # stands above an offset that the item announces beside it
        return 0.0, "applied by the provider"
    if raster.get("offset") is not None:
        return float(raster["offset"]), "raster extension"
    if not is_sentinel2(item):
        return 0.0, "no offset"
    baseline = baseline_of(item)
    if baseline is None:
        raise BadScene(
            item["id"], "no processing baseline, so BOA_ADD_OFFSET is unknown", "state image.offset in dataset.yaml"
        )
    has_offset = float(baseline) >= FIRST_WITH_OFFSET
    return (BOA_ADD_OFFSET * scale if has_offset else 0.0), f"processing baseline {baseline}"
