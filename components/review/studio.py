"""Label Studio's JSON: a labelling config, tasks with pre-annotations, and annotations read back.

Coordinates are percent of the picture. Its polygons have no holes: a hole travels as a polygon of its own whose
`parentID` names the region that it is cut out of; brush regions have holes by nature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from affine import Affine
from rasterio.features import rasterize
from shapely.geometry import Polygon
from shapely.ops import unary_union

from components.errors import BadParams
from components.review.brush import decode_mask, encode_mask
from components.review.corrections import Correction, require_classes
from components.review.project import Chip, Project
from components.review.shapes import UNLABELLED, Region, mask_region, polygonal, polygons_of
from components.tasks.review_history import DRAWN, UNSURE

POLYGONS, BRUSH, VERDICT = "label", "brush", "verdict"
GREY = "#bebebe"


def labelling_config(project: Project) -> str:
    """The labelling config as XML: the images side by side, polygons and brush on the last, a verdict."""
    width = 100 // len(project.images)
    pictures = "\n".join(
        f'    <View style="width: {width}%; padding: 0 4px"><Header value={quoteattr(role)}/>'
        f'<Image name={quoteattr(role)} value="${role}" zoom="true" zoomControl="true"/></View>'
        for role in project.images
    )
    target = quoteattr(project.images[-1])
    labels = "".join(f"\n    <Label value={quoteattr(n)} background={quoteattr(c)}/>" for n, c in _colours(project))
    return f"""<View>
  <Header value="$chip"/>
  <Text name="reason" value="$reason"/>
  <PolygonLabels name="{POLYGONS}" toName={target} strokeWidth="2" opacity="0.25">{labels}
  </PolygonLabels>
  <BrushLabels name="{BRUSH}" toName={target}>{labels}
  </BrushLabels>
  <View style="display: flex">
{pictures}
  </View>
  <Choices name="{VERDICT}" toName={target} choice="single" showInline="true">
    <Choice value="{DRAWN}" hint="what is drawn is right"/>
    <Choice value="{UNSURE}" hint="the label stays as it is"/>
  </Choices>
</View>
"""


def task_of(
    project: Project, chip: Chip, pictures: Mapping[str, str], regions: Sequence[Region], *, brush: bool = False
) -> dict[str, Any]:
    """One task: pictures by role (addresses or data URIs), chip and review, the label of today as pre-annotation."""
    results = _brushes(project, chip, regions) if brush else _polygons(project, chip, regions)
    model = f"label of {project.dataset} {project.version[:12]}"
    data = {"chip": chip.id, "review": project.id, "scene": chip.scene, "place": chip.place, "reason": chip.reason}
    return {
        "data": {**pictures, **data, "score": chip.score},
        "predictions": [{"model_version": model, "result": results}],
    }


def read_tasks(project: Project, tasks: Sequence[Mapping[str, Any]], where: object) -> tuple[Correction, ...]:
    """The annotations of an export of Label Studio; tasks without one, and skipped ones, are left out.

    Raises:
        UnknownName: if a task is of another review or names an unknown chip.
        BadParams: if a chip has several annotations, or one cannot be read.
    """
    found = []
    for task in tasks:
        data = task.get("data", {})
        project.require(str(data.get("review")), where)
        chip = project.chip(str(data.get("chip")))
        standing = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
        if len(standing) > 1:
            names = ", ".join(sorted(_author(each) for each in standing))
            reason = f"expected one annotation, found {len(standing)} (by {names}); delete or skip the others"
            raise BadParams(f"{where}: {chip.id}", reason)
        found += [_correction(project, chip, each, f"{where}: {chip.id}") for each in standing]
    return tuple(found)


def _correction(project: Project, chip: Chip, annotation: Mapping[str, Any], where: str) -> Correction:
    results = annotation.get("result", [])
    verdicts = [v for r in results if r.get("from_name") == VERDICT for v in r["value"]["choices"]]
    when = str(annotation.get("updated_at") or annotation.get("created_at") or "")
    regions = _regions(chip, results, where)
    require_classes(regions, project, label_names(project), where)
    return Correction(chip.id, regions, _author(annotation), when, verdicts[0] if verdicts else DRAWN)


def _author(annotation: Mapping[str, Any]) -> str:
    """The address of a person, or their number where that is all the export says."""
    by = annotation.get("completed_by")
    if isinstance(by, Mapping):
        return str(by.get("email") or by.get("username") or by.get("id"))
    return f"Label Studio user {by}" if by is not None else "unknown"


def _regions(chip: Chip, results: Sequence[Mapping[str, Any]], where: str) -> tuple[Region, ...]:
    """Regions in the order in which they were drawn, holes cut out of the region that they belong to."""
    holes: dict[str, list[Polygon]] = {}
    drawn: list[tuple[str, Region | None]] = []
    ids = {str(each.get("id")) for each in results if each.get("type") in ("polygonlabels", "brushlabels")}
    for result in results:
        parent = str(result.get("parentID") or "")
        if result.get("type") == "polygonlabels" and parent in ids:
            holes.setdefault(parent, []).append(_ring(chip, result, where))
        elif result.get("type") in ("polygonlabels", "brushlabels"):
            drawn.append((str(result.get("id")), _region(chip, result, where)))
        elif result.get("type") not in ("choices", "textarea"):
            raise BadParams(where, f"expected polygons and brush strokes, found {result.get('type')!r}; redraw it")
    cut = (_without(region, holes.get(id, [])) for id, region in drawn if region is not None)
    return tuple(region for region in cut if region is not None)


def _region(chip: Chip, result: Mapping[str, Any], where: str) -> Region | None:
    value = result["value"]
    names = value.get("polygonlabels") or value.get("brushlabels") or []
    if len(names) != 1:
        raise BadParams(where, f"expected one label a region, found {len(names)}; give each region its class")
    if result["type"] == "brushlabels":
        shape = int(result["original_height"]), int(result["original_width"])
        mask = decode_mask(value["rle"], shape, where)
        return mask_region(names[0], mask, _zoom(chip, shape, where))
    outline = polygonal(_ring(chip, result, where))
    return None if outline is None else Region(names[0], outline)


def _zoom(chip: Chip, shape: tuple[int, int], where: str) -> float:
    zoom = shape[0] / chip.window.rows
    if shape[1] != chip.window.cols * zoom:
        reason = f"expected a picture of the proportions of {chip.window}, found {shape[0]} x {shape[1]}"
        raise BadParams(where, f"{reason}; annotate the exported tiles")
    return zoom


def _ring(chip: Chip, result: Mapping[str, Any], where: str) -> Polygon:
    points = result["value"].get("points", [])
    if len(points) < 3:
        raise BadParams(where, f"expected a polygon of at least 3 points, found {len(points)}; close or delete it")
    scale = np.array([chip.window.cols, chip.window.rows], np.float64) / 100
    return Polygon(np.asarray(points, np.float64) * scale)


def _without(region: Region, holes: Sequence[Polygon]) -> Region | None:
    if not holes:
        return region
    mended = [part for hole in holes if (part := polygonal(hole)) is not None]
    left = polygonal(region.shape.difference(unary_union(mended)))
    return None if left is None else Region(region.label, left)


def _polygons(project: Project, chip: Chip, regions: Sequence[Region]) -> list[dict[str, Any]]:
    results = []
    for number, region in enumerate(regions):
        for part, polygon in enumerate(polygons_of(region.shape)):
            id = f"r{number}-{part}"
            results.append(_polygon(project, chip, id, region.label, list(polygon.exterior.coords)))
            for index, hole in enumerate(polygon.interiors):
                ring = _polygon(project, chip, f"{id}-h{index}", _hole_label(project), list(hole.coords))
                results.append({**ring, "parentID": id})
    return results


def _hole_label(project: Project) -> str:
    """What a hole is shown as: the background, or else as ground without a label; its class is not read back."""
    names = {each.code: each.name for each in project.classes}
    return names.get(project.background, UNLABELLED) if project.background is not None else UNLABELLED


def _polygon(project: Project, chip: Chip, id: str, label: str, ring: Sequence[tuple[float, ...]]) -> dict[str, Any]:
    rows, cols = chip.window.rows, chip.window.cols
    points = [[x / cols * 100, y / rows * 100] for x, y, *_ in ring[:-1]]  # closed by Label Studio itself
    value = {"points": points, "closed": True, "polygonlabels": [label]}
    return _result(project, chip, id, "polygonlabels", POLYGONS, value)


def _brushes(project: Project, chip: Chip, regions: Sequence[Region]) -> list[dict[str, Any]]:
    shape = chip.window.rows * project.zoom, chip.window.cols * project.zoom
    results = []
    for number, region in enumerate(regions):
        mask = rasterize([region.shape], out_shape=shape, transform=Affine.scale(1 / project.zoom)).astype(bool)
        value = {"format": "rle", "rle": encode_mask(mask), "brushlabels": [region.label]}
        results.append(_result(project, chip, f"b{number}", "brushlabels", BRUSH, value))
    return results


def _result(project: Project, chip: Chip, id: str, kind: str, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "type": kind,
        "from_name": name,
        "to_name": project.images[-1],
        "original_width": chip.window.cols * project.zoom,
        "original_height": chip.window.rows * project.zoom,
        "image_rotation": 0,
        "value": dict(value),
    }


def _colours(project: Project) -> list[tuple[str, str]]:
    named = [(each.name, "#{:02x}{:02x}{:02x}".format(*each.colour)) for each in project.labels]
    return named if UNLABELLED in dict(named) else [*named, (UNLABELLED, GREY)]


def label_names(project: Project) -> list[str]:
    """Names that a region may have: the classes, and `unlabelled`."""
    return [name for name, _ in _colours(project)]
