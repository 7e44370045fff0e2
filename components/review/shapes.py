"""Regions of a chip in its pixels (column, row, from the corner), and the same ground in map coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio import features as burn
from shapely import make_valid
from shapely.affinity import affine_transform
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.geometry.base import BaseGeometry

from components.errors import BadParams
from components.raster.cog import quiet
from components.raster.grid import Grid
from components.raster.scene import Class, Scene

UNLABELLED = "unlabelled"  # what a person calls ground whose class cannot be told


@dataclass(frozen=True)
class Region:
    """A class name and where it holds: a polygon in pixels of the chip, x to the right and y down, holes included."""

    label: str
    shape: Polygon | MultiPolygon


def on_map(geometry: BaseGeometry, grid: Grid) -> BaseGeometry:
    """A geometry in pixels of ``grid`` in its map coordinates; a rotated grid turns it."""
    return affine_transform(geometry, _coefficients(grid.transform))


def in_pixels(geometry: BaseGeometry, grid: Grid) -> BaseGeometry:
    """A geometry in the CRS of ``grid`` in its pixels; the inverse of `on_map`."""
    return affine_transform(geometry, _coefficients(~grid.transform))


def regions_of(label: Scene, background: int | None) -> tuple[Region, ...]:
    """The patches of equal class of a label (pixels that share an edge), along pixel edges.

    Neither ``background`` nor nodata is a patch. Burning them again with `codes_of` gives the label back exactly.
    """
    codes = label.array[0].astype(np.int32)
    wanted = label.valid if background is None else label.valid & (codes != background)
    names = {each.code: each.name for each in label.classes}
    with quiet():
        found = list(burn.shapes(codes, wanted, 4, Affine.identity()))
    patches = [(names.get(int(code), str(int(code))), polygons_of(shape(outline))[0]) for outline, code in found]
    return tuple(Region(name, outline) for name, outline in sorted(patches, key=lambda each: _place(each[1])))


def mask_region(name: str, mask: NDArray[np.bool_], zoom: float) -> Region | None:
    """A painted mask ``(row, col)`` as a region, None where empty; a pixel of the chip is ``zoom`` of its pixels."""
    with quiet():
        outlines = burn.shapes(mask.astype(np.uint8), mask, 4, Affine.scale(1 / zoom))
        parts = [polygons_of(shape(outline))[0] for outline, _ in outlines]
    if not parts:
        return None
    return Region(name, parts[0] if len(parts) == 1 else MultiPolygon(parts))


def codes_of(
    regions: Sequence[Region], old: Scene, classes: Sequence[Class], background: int | None
) -> NDArray[np.generic]:
    """The label ``(row, col)`` that regions make of a chip: a pixel takes the last region that covers its centre.

    Where there is none it becomes ``background``, or stays what it was where there is no background; ground that
    had no label keeps none, for unknown is not unchanged. `UNLABELLED` takes the label away.

    Raises:
        BadParams: if a region has a name without a code (`UNLABELLED` has none where the label has no nodata).
    """
    codes = {each.name: each.code for each in classes}
    if old.nodata is not None:
        codes.setdefault(UNLABELLED, int(old.nodata))
    for name in {region.label for region in regions} - set(codes):
        raise BadParams(name, f"expected one of {', '.join(codes)}; this label has no code for it")
    new: NDArray[np.generic] = old.array[0].copy()
    if background is not None:
        new[old.valid] = background
    with quiet():
        for region in regions:
            # one after the other, so that burning a hole of one leaves what lies below it
            burn.rasterize([(region.shape, codes[region.label])], out=new, transform=Affine.identity())
    return new


def polygonal(geometry: BaseGeometry) -> Polygon | MultiPolygon | None:
    """The area of a geometry as drawn by a person: crossings mended, points and lines dropped; None without area."""
    mended = geometry if geometry.is_valid else make_valid(geometry)
    parts = [part for part in _polygons(mended) if part.area > 0]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def polygons_of(geometry: BaseGeometry) -> tuple[Polygon, ...]:
    """Its polygons, one by one."""
    return tuple(_polygons(geometry))


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    if isinstance(geometry, Polygon):
        return [] if geometry.is_empty else [geometry]
    return [part for each in getattr(geometry, "geoms", ()) for part in _polygons(each)]


def _coefficients(t: Affine) -> list[float]:
    return [t.a, t.b, t.d, t.e, t.c, t.f]


def _place(geometry: BaseGeometry) -> tuple[float, float, float, float]:
    west, north, east, south = geometry.bounds
    return north, west, south, east
