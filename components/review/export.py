"""A review written out: tiles, sidecar, labelling config, and the label of today in three formats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.errors import BadParams, NotEnoughData, UnknownName
from components.pictures.panels import Limits
from components.raster.atomic import atomic, write_text
from components.raster.dataset import Source, read_sources
from components.raster.io import describe, read_scene
from components.raster.scene import Scene
from components.review.choosing import Candidate
from components.review.coco import coco_of
from components.review.geojson import geojson_of
from components.review.project import Chip, Project, pixels_sha256, version_of, write_project
from components.review.shapes import Region, regions_of
from components.review.studio import labelling_config, task_of
from components.review.tiles import Stretch, data_uri, png

TASKS, CONFIG, COCO, GEOJSON, TILES = "tasks.json", "config.xml", "coco.json", "chips.geojson", "tiles"
LEAST_SIDE_PX = 512  # a small chip is enlarged to about this on screen


@dataclass(frozen=True)
class Request:
    """How a review is drawn: roles, the class that is background, the stretch, polygons or brush."""

    role: str = ""  # of the label; empty: the only role of class codes
    images: tuple[str, ...] = ()  # empty: before and after, or the only image
    background: int | None = 0
    stretch: Stretch = field(default_factory=Stretch)
    brush: bool = False


def export(raw: Path, dataset: str, chosen: Sequence[Candidate], request: Request, out: Path) -> Project:
    """The review of the chosen chips of an ingested dataset in the folder ``out``; answers its sidecar.

    Written: `tiles/<chip>-<role>.png`, `project.json` (the sidecar), `config.xml` and `tasks.json` for Label Studio
    (pictures inside, so that any server takes it), `coco.json`, and `chips.geojson` where there is a CRS.

    Raises:
        NotEnoughData: if no chip was chosen.
        UnknownName: if a chip lies in no scene of the dataset, or a role is missing.
        BadScene: if an image and its label lie on different grids.
    """
    if not chosen:
        raise NotEnoughData(f"no chip of {dataset} was chosen; lower the limits of the choice")
    sources = {source.id: source for source in read_sources(raw)}
    first = _source(sources, chosen[0])
    role = request.role or label_role(first)
    images = request.images or image_roles(first, role)
    drawn = [_draw(_source(sources, each), each, role, images) for each in chosen]
    zoom = max(1, LEAST_SIDE_PX // max(max(chip.window.rows, chip.window.cols) for chip, *_ in drawn))
    classes = drawn[0][1].classes
    chips = tuple(chip for chip, *_ in drawn)
    project = Project(dataset, version_of(raw), role, images, classes, request.background, zoom, chips).identified()
    regions = {chip.id: regions_of(label, request.background) for chip, label, _ in drawn}
    _write(project, {chip.id: scenes for chip, _, scenes in drawn}, regions, sources, request, out)
    return project


def label_role(source: Source) -> str:
    """The role of class codes of a source.

    Raises:
        BadParams: if it has none or several.
    """
    found = [role for role, path in source.files.items() if describe(path).unit == "class"]
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise BadParams(source.id, f"expected one role of class codes, found {names}; name the label's role")
    return found[0]


def image_roles(source: Source, label: str) -> tuple[str, ...]:
    """The roles that are shown beside the label: before and after, or the only image.

    Raises:
        BadParams: if it has none of these.
    """
    roles = [role for role, path in source.files.items() if role != label and describe(path).unit != "class"]
    if {"before", "after"} <= set(roles):
        return "before", "after"
    if len(roles) != 1:
        raise BadParams(source.id, f"expected one image or before and after, found {', '.join(roles)}; name the roles")
    return (roles[0],)


def _source(sources: Mapping[str, Source], candidate: Candidate) -> Source:
    if candidate.scene not in sources:
        raise UnknownName("scene", candidate.scene, sources)
    return sources[candidate.scene]


def _draw(
    source: Source, candidate: Candidate, role: str, images: Sequence[str]
) -> tuple[Chip, Scene, dict[str, Scene]]:
    for name in (role, *images):
        if name not in source.files:
            raise UnknownName(f"role of {source.id}", name, source.files)
    label = read_scene(source.files[role], window=candidate.window)
    if not label.classes:
        raise BadParams(source.files[role], "expected class names, found none; declare label.classes and ingest anew")
    scenes = {name: read_scene(source.files[name], window=candidate.window) for name in images}
    for scene in scenes.values():
        scene.grid.require_same(label.grid, "align image and label when they are ingested")
    chip = Chip(
        candidate.id,
        source.id,
        source.place,
        candidate.window,
        label.grid,
        pixels_sha256(label),
        pixels_sha256(*scenes.values()),
        candidate.reason,
        round(candidate.score, 6),
    )
    return chip, label, scenes


def _write(
    project: Project,
    scenes: Mapping[str, Mapping[str, Scene]],
    regions: Mapping[str, Sequence[Region]],
    sources: Mapping[str, Source],
    request: Request,
    out: Path,
) -> None:
    tasks, files = [], {}
    shown = {id: _shown(sources[id], project, request.stretch) for id in {chip.scene for chip in project.chips}}
    for chip in project.chips:
        bands, limits = shown[chip.scene]
        pictures = {role: png(scene, bands, limits, project.zoom) for role, scene in scenes[chip.id].items()}
        for role, picture in pictures.items():
            name = f"{chip.stem}-{role}.png"
            with atomic(out / TILES / name) as temporary:
                temporary.write_bytes(picture)
            files[chip.id] = name
        uris = {role: data_uri(picture) for role, picture in pictures.items()}
        tasks.append(task_of(project, chip, uris, regions[chip.id], brush=request.brush))
    write_text(out / TASKS, json.dumps(tasks) + "\n")
    write_text(out / CONFIG, labelling_config(project))
    write_text(out / COCO, json.dumps(coco_of(project, regions, files)) + "\n")
    if all(chip.grid.crs is not None for chip in project.chips):
        write_text(out / GEOJSON, json.dumps(geojson_of(project, regions)) + "\n")
    write_project(project, out)


def _shown(source: Source, project: Project, stretch: Stretch) -> tuple[tuple[str, ...], Limits]:
    """Bands and limits of a scene: those of its first image hold for all its dates and chips."""
    first = read_scene(source.files[project.images[0]])
    bands = stretch.bands_of(first)
    return bands, stretch.limits_of(first, bands)
