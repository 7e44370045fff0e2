"""GeoJSON in WGS 84, for QGIS and its like: the outline of every chip, and its patches with their holes.

Coordinates keep all their digits: at the seven that RFC 7946 recommends a corner moves by half a centimetre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry import Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from components.errors import BadParams, BadScene
from components.review.corrections import Author, Correction, require_classes
from components.review.project import Chip, Project
from components.review.shapes import Region, in_pixels, on_map, polygonal, polygons_of
from components.review.studio import label_names

CHIP, PATCH, WGS84 = "chip", "patch", "EPSG:4326"


def geojson_of(project: Project, regions: Mapping[str, Sequence[Region]]) -> dict[str, Any]:
    """A FeatureCollection: of each chip its outline (`kind: chip`) and its patches (`kind: patch`, `label`).

    Raises:
        BadScene: if a chip has no place on the ground.
    """
    features = []
    for chip in project.chips:
        rows, cols = chip.window.rows, chip.window.cols
        outline = Polygon([(0, 0), (cols, 0), (cols, rows), (0, rows)])
        about = {"review": project.id, "chip": chip.id}
        features.append(_feature(chip, outline, {**about, "kind": CHIP, "reason": chip.reason}))
        for region in regions[chip.id]:
            for polygon in polygons_of(region.shape):
                features.append(_feature(chip, polygon, {**about, "kind": PATCH, "label": region.label}))
    return {"type": "FeatureCollection", "review": project.id, "features": features}


def read_geojson(project: Project, content: Mapping[str, Any], author: Author, where: object) -> tuple[Correction, ...]:
    """A correction for every chip whose outline the file holds: delete the outline of what was not looked at.

    A patch without `chip` (somebody drew it anew) belongs to the chip that holds most of it, and counts in there only.

    Raises:
        UnknownName: if a feature is of another review or names an unknown chip.
        BadParams: if a patch lies in no chip, or has no class of the review.
    """
    outlines: dict[str, list[Region]] = {}
    patches = []
    for feature in content.get("features", []):
        about = feature.get("properties") or {}
        if about.get("review") is not None:
            project.require(str(about["review"]), where)
        if about.get("kind") == CHIP:
            outlines.setdefault(project.chip(str(about.get("chip"))).id, [])
        else:
            patches.append((about, shape(feature["geometry"])))
    for about, geometry in patches:
        chip, inside = _placed(project, about, geometry, where)
        if chip.id not in outlines:
            raise BadParams(where, f"{chip.id} has patches and no outline; delete both or neither")
        if inside is not None:
            outlines[chip.id].append(Region(str(about.get("label")), inside))
    for regions in outlines.values():
        require_classes(regions, project, label_names(project), where)
    return tuple(Correction(chip, tuple(regions), author.by, author.when) for chip, regions in outlines.items())


def _placed(project: Project, about: Mapping[str, Any], geometry: BaseGeometry, where: object) -> tuple[Chip, Any]:
    """The chip of a patch and the patch in its pixels; None for a patch without area."""
    if about.get("chip") is not None:
        chip = project.chip(str(about["chip"]))
        return chip, polygonal(_to_pixels(chip, geometry))
    covered = [(_share(chip, geometry), chip) for chip in project.chips]
    share, chip = max(covered, key=lambda pair: pair[0])
    if share <= 0:
        raise BadParams(where, f"a patch near {geometry.centroid.coords[0]} lies in no chip; draw inside the outlines")
    return chip, polygonal(_to_pixels(chip, geometry))


def _share(chip: Chip, geometry: BaseGeometry) -> float:
    drawn = polygonal(_to_pixels(chip, geometry))
    if drawn is None:
        return 0.0
    rows, cols = chip.window.rows, chip.window.cols
    inside = drawn.intersection(Polygon([(0, 0), (cols, 0), (cols, rows), (0, rows)]))
    return float(inside.area / drawn.area)


def _feature(chip: Chip, geometry: Polygon, properties: Mapping[str, Any]) -> dict[str, Any]:
    if chip.grid.crs is None:
        raise BadScene(chip.id, "has no place on the ground", "use the files for Label Studio or COCO")
    forth = _between(chip.grid.crs.to_wkt(), WGS84)
    moved = orient(polygons_of(_moved(on_map(geometry, chip.grid), forth))[0], 1.0)
    return {"type": "Feature", "geometry": mapping(moved), "properties": dict(properties)}


def _to_pixels(chip: Chip, geometry: BaseGeometry) -> BaseGeometry:
    if chip.grid.crs is None:
        raise BadScene(chip.id, "has no place on the ground", "use the files for Label Studio or COCO")
    back = _between(WGS84, chip.grid.crs.to_wkt())
    return in_pixels(_moved(geometry, back), chip.grid)


@lru_cache(maxsize=32)
def _between(one: str, other: str) -> Transformer:
    """Made once: making it takes longer than moving a patch."""
    return Transformer.from_crs(one, other, always_xy=True)


def _moved(geometry: BaseGeometry, between: Transformer) -> BaseGeometry:
    return shapely.transform(geometry, lambda points: np.stack(between.transform(*points.T), axis=1))
