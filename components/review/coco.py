"""COCO: pictures, categories, and one annotation a patch, for tools that read it.

Polygons are in pixels of the picture. COCO lists of rings are unions, without holes: a patch with holes is an
uncompressed run-length mask, exact to a pixel of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry import Polygon
from shapely.ops import unary_union

from components.errors import BadParams
from components.review.corrections import Author, Correction
from components.review.project import Chip, Project
from components.review.shapes import Region, mask_region, polygonal, polygons_of
from components.review.studio import label_names


def coco_of(project: Project, regions: Mapping[str, Sequence[Region]], files: Mapping[str, str]) -> dict[str, Any]:
    """The project as COCO; ``files`` names the picture of each chip, ``regions`` holds its patches."""
    numbers = {name: number for number, name in enumerate(label_names(project), 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, chip in enumerate(project.chips, 1):
        rows, cols = chip.window.rows * project.zoom, chip.window.cols * project.zoom
        images.append({"id": image, "file_name": files[chip.id], "width": cols, "height": rows, "chip": chip.id})
        patches = [(r.label, polygon) for r in regions[chip.id] for polygon in polygons_of(r.shape)]
        for name, polygon in patches:
            about = _annotation(polygon, project.zoom, (rows, cols))
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": numbers[name], "iscrowd": 0, **about}
            )
    return {
        "info": {"description": f"review of {project.dataset}", "review": project.id, "version": project.version},
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "annotations": annotations,
    }


def read_coco(project: Project, content: Mapping[str, Any], author: Author, where: object) -> tuple[Correction, ...]:
    """A correction for every picture that the file lists; chips are known by `chip` or else by the picture's name.

    Raises:
        UnknownName: if it is of another review, or a picture is no chip's.
        BadParams: if a category or an outline cannot be read.
    """
    review = content.get("info", {}).get("review")
    if review is not None:  # some tools drop it; digests of the chips are checked in any case
        project.require(str(review), where)
    names = {each["id"]: str(each["name"]) for each in content.get("categories", [])}
    drawn: dict[int, list[Mapping[str, Any]]] = {each["id"]: [] for each in content.get("images", [])}
    for annotation in content.get("annotations", []):
        if annotation["image_id"] not in drawn or names.get(annotation["category_id"]) not in label_names(project):
            reason = f"expected pictures and classes of the review, found annotation {annotation.get('id')} of others"
            raise BadParams(where, f"{reason}; keep the exported categories and pictures")
        drawn[annotation["image_id"]].append(annotation)
    found = []
    for image in content.get("images", []):
        chip = _chip(project, image)
        regions = [
            region
            for each in drawn[image["id"]]
            if (region := _region(chip, image, names[each["category_id"]], each, f"{where}: {chip.id}"))
        ]
        found.append(Correction(chip.id, tuple(regions), author.by, author.when))
    return tuple(found)


def _annotation(polygon: Polygon, zoom: int, shape: tuple[int, int]) -> dict[str, Any]:
    west, north, east, south = (edge * zoom for edge in polygon.bounds)
    outline: Any = [[edge * zoom for point in polygon.exterior.coords[:-1] for edge in point]]
    if polygon.interiors:
        mask = rasterize([polygon], out_shape=shape, transform=Affine.scale(1 / zoom)).astype(bool)
        outline = {"size": list(shape), "counts": _counts(mask)}
    box = [west, north, east - west, south - north]
    return {"segmentation": outline, "bbox": box, "area": polygon.area * zoom**2}


def _counts(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of runs down the columns, the first of them outside (COCO's uncompressed form)."""
    values = mask.ravel(order="F")
    edges = np.r_[0, np.flatnonzero(np.diff(values)) + 1, len(values)]
    lengths = np.diff(edges).tolist()
    return [0, *lengths] if values[0] else lengths


def _chip(project: Project, image: Mapping[str, Any]) -> Chip:
    name = PurePosixPath(str(image.get("file_name", ""))).name
    by_file = {f"{chip.stem}-{project.images[-1]}.png": chip.id for chip in project.chips}
    return project.chip(str(image.get("chip") or by_file.get(name, name)))


def _region(
    chip: Chip, image: Mapping[str, Any], label: str, annotation: Mapping[str, Any], where: str
) -> Region | None:
    outline, zoom = annotation["segmentation"], image["width"] / chip.window.cols
    if image["height"] != chip.window.rows * zoom:
        raise BadParams(where, f"expected a picture of the proportions of {chip.window}; annotate the exported tiles")
    if isinstance(outline, Mapping):
        return mask_region(label, _mask(outline, (image["height"], image["width"]), where), zoom)
    rings = [np.reshape(ring, (-1, 2)) / zoom for ring in outline if len(ring) >= 6]
    if len(rings) != len(outline):
        raise BadParams(where, "expected polygons of at least 3 points, found fewer; close or delete them")
    union = polygonal(unary_union([part for ring in rings if (part := polygonal(Polygon(ring)))]))
    return None if union is None else Region(label, union)


def _mask(outline: Mapping[str, Any], shape: tuple[int, int], where: str) -> NDArray[np.bool_]:
    counts = outline.get("counts")
    if not isinstance(counts, list) or tuple(outline["size"]) != shape or sum(counts) != shape[0] * shape[1]:
        reason = "expected an uncompressed mask of the picture's size, found another"
        raise BadParams(where, f"{reason}; export polygons or masks with a list of counts")
    inside = np.arange(len(counts)) % 2 == 1
    mask: NDArray[np.bool_] = np.repeat(inside, counts).reshape(shape, order="F")
    return mask
