"""The sidecar of a review: which chips of which dataset version, where they lie, and what they looked like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from components.errors import BadParams, UnknownName
from components.raster.atomic import write_text
from components.raster.dataset import MANIFEST, sha256
from components.raster.grid import Grid, Window
from components.raster.scene import Class, Scene

FILE, FORMAT = "project.json", 1


@dataclass(frozen=True)
class Chip:
    """A window of a scene that a person looks at, with digests of the pixels that they saw."""

    id: str
    scene: str
    place: str
    window: Window
    grid: Grid  # of the window
    label_sha256: str
    image_sha256: str
    reason: str
    score: float

    @property
    def stem(self) -> str:
        """The name of its files: the id without characters that URLs and shells mind."""
        return self.id.replace("@", "-").replace(",", "-")


@dataclass(frozen=True)
class Project:
    """Chips of one version of a dataset, their classes, and how they were drawn."""

    dataset: str
    version: str  # SHA-256 of its manifest
    role: str  # of the label
    images: tuple[str, ...]  # roles that are shown, in order of time
    classes: tuple[Class, ...]
    background: int | None  # the class that is not drawn
    zoom: int  # picture pixels a pixel of the chip, per axis
    chips: tuple[Chip, ...]
    id: str = ""

    @property
    def labels(self) -> tuple[Class, ...]:
        """The classes that a person can draw, the background included: it erases."""
        return self.classes

    def chip(self, id: str) -> Chip:
        """The chip of that id.

        Raises:
            UnknownName: if the project has none; lists those it has.
        """
        for each in self.chips:
            if each.id == id:
                return each
        raise UnknownName(f"chip in review {self.id}", id, (each.id for each in self.chips))

    def identified(self) -> Project:
        """The project with its id, which follows from everything that it says."""
        content = _as_dict(replace(self, id=""))
        return replace(self, id=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12])

    def require(self, id: str, where: object) -> None:
        """Nothing where ``id`` is that of this project.

        Raises:
            UnknownName: if annotations in ``where`` are of another.
        """
        if id != self.id:
            raise UnknownName(f"review project, which {where} says it is of,", id, [self.id])


def version_of(raw: Path) -> str:
    """The version of an ingested dataset: the SHA-256 of its manifest, which holds that of every file.

    Raises:
        BadParams: if the folder holds no finished dataset.
    """
    manifest = raw / MANIFEST
    if not manifest.is_file():
        raise BadParams(raw, f"expected a dataset with its {MANIFEST}, found none; ingest, simulate or pull it first")
    return sha256(manifest)


def pixels_sha256(*scenes: Scene) -> str:
    """SHA-256 over type, shape and pixels of scenes."""
    digest = hashlib.sha256()
    for scene in scenes:
        digest.update(f"{scene.array.dtype}{scene.array.shape}".encode())
        digest.update(np.ascontiguousarray(scene.array).tobytes())
    return digest.hexdigest()


def write_project(project: Project, folder: Path) -> Path:
    """The sidecar as `project.json` in ``folder``; the same project gives the same bytes."""
    path = folder / FILE
    write_text(path, json.dumps(_as_dict(project), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path


def read_project(folder: Path) -> Project:
    """The project that `write_project` wrote, its id checked against its content.

    Raises:
        BadParams: if there is none, or somebody edited it.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text())
        project = _from_dict(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadParams(
            path, f"is no sidecar of a review ({error!r}); name a folder of `swath review export`"
        ) from error
    if project.identified().id != project.id:
        raise BadParams(path, f"expected the content of review {project.id}, found it edited; export it again")
    return project


def _as_dict(project: Project) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": project.id,
        "dataset": project.dataset,
        "version": project.version,
        "role": project.role,
        "images": list(project.images),
        "background": project.background,
        "zoom": project.zoom,
        "classes": [{"code": c.code, "name": c.name, "colour": list(c.colour)} for c in project.classes],
        "chips": [_chip_as_dict(chip) for chip in project.chips],
    }


def _chip_as_dict(chip: Chip) -> dict[str, Any]:
    crs = chip.grid.crs
    return {
        "id": chip.id,
        "scene": chip.scene,
        "place": chip.place,
        "window": [chip.window.row, chip.window.col, chip.window.rows, chip.window.cols],
        "crs": crs.to_wkt(version="WKT2_2019") if crs else None,
        "transform": list(chip.grid.transform)[:6],
        "label_sha256": chip.label_sha256,
        "image_sha256": chip.image_sha256,
        "reason": chip.reason,
        "score": chip.score,
    }


def _from_dict(content: Mapping[str, Any]) -> Project:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']}, expected {FORMAT}")
    return Project(
        id=content["id"],
        dataset=content["dataset"],
        version=content["version"],
        role=content["role"],
        images=tuple(content["images"]),
        background=content["background"],
        zoom=int(content["zoom"]),
        classes=tuple(Class(int(c["code"]), c["name"], _colour(c["colour"])) for c in content["classes"]),
        chips=tuple(_chip_from(each) for each in content["chips"]),
    )


def _chip_from(content: Mapping[str, Any]) -> Chip:
    window = Window(*map(int, content["window"]))
    crs = CRS.from_wkt(content["crs"]) if content["crs"] else None
    return Chip(
        id=content["id"],
        scene=content["scene"],
        place=content["place"],
        window=window,
        grid=Grid(crs, Affine(*content["transform"]), (window.rows, window.cols)),
        label_sha256=content["label_sha256"],
        image_sha256=content["image_sha256"],
        reason=content["reason"],
        score=float(content["score"]),
    )


def _colour(values: Sequence[int]) -> tuple[int, int, int]:
    red, green, blue = map(int, values)
    return red, green, blue
