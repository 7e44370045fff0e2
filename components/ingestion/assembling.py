"""One scene out of one file a band: numbers to values, all on one grid, what was not seen made nodata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds
from shapely.geometry import shape

from components.errors import BadScene, GridMismatch
from components.ingestion.candidates import BandFile, Candidate
from components.ingestion.layouts import StacLayout
from components.ingestion.roles import ImageDeclaration
from components.raster.align import Resampling, align, window_around
from components.raster.bands import canonical
from components.raster.decoding import DecoderPool
from components.raster.grid import Grid, Window
from components.raster.scene import Scene

MOST_NEGATIVE = 0.2  # share of values below 0 beyond which an offset was applied twice; water and shade stay far below
WGS84 = "EPSG:4326"


@dataclass(frozen=True)
class Assembly:
    """How bands come together: the band whose grid counts, the resampling of the others, the ground that is kept."""

    grid_of: str | None = None
    resampling: str = "bilinear"
    bounds_wgs84: tuple[float, float, float, float] | None = None


def assembly_of(layout: object) -> Assembly:
    """What a layout says of it; for a folder: all bands are on one grid already, and all ground is kept."""
    if not isinstance(layout, StacLayout):
        return Assembly()
    bounds = layout.bbox or shape(dict(layout.intersects or {})).bounds
    return Assembly(layout.grid_of, layout.resampling, bounds if layout.crop else None)


def assemble(
    candidate: Candidate, role: str, image: ImageDeclaration, assembly: Assembly, decoders: DecoderPool
) -> tuple[Scene, dict[str, Any]]:
    """The image of a role, float32 with NaN where any band or the mask says that nothing was seen; and what was done.

    Coarser bands are resampled as declared, finer ones averaged; codes of the mask are picked, never averaged.

    Raises:
        SwathError: names the file that cannot be used.
    """
    files = candidate.bands[role]
    names = [canonical(name) for name in image.bands]
    first = canonical(assembly.grid_of or names[0])
    if first not in files:
        raise BadScene(candidate.id, f"layout.grid_of {first} is none of {', '.join(names)}", "name one of image.bands")
    reference = _values(files[first], image, decoders, first)
    window = _kept(reference.grid, assembly, files[first].path)
    grid = reference.grid.crop(window)
    done: dict[str, str] = {}
    array = np.empty((len(names), *grid.shape), np.float32)
    for index, name in enumerate(names):
        scene = reference if name == first else _values(files[name], image, decoders, name)
        array[index] = _onto(scene, grid, window, assembly.resampling, done).array[0]
    facts: dict[str, Any] = {"swath:resampled": done} if done else {}
    if candidate.unseen is not None:
        hidden = _hidden(candidate, grid, decoders)
        facts["swath:unseen"] = {"codes": list(candidate.unseen.codes), "fraction": round(float(hidden.mean()), 6)}
        array[:, hidden] = np.nan
    array[:, ~np.isfinite(array).all(axis=0)] = np.nan
    scene = Scene(array, grid, tuple(names), image.unit, float("nan"))  # type: ignore[arg-type]
    _require_plausible(scene, files[first].path)
    return scene, facts


def _values(file: BandFile, image: ImageDeclaration, decoders: DecoderPool, band: str) -> Scene:
    """The one band of a file as values, NaN where it holds nodata."""
    raw = _stored(file, decoders)
    scale = image.scale if file.scale is None else file.scale
    offset = image.offset if file.offset is None else file.offset
    _require_same_scale(file.path, decoders, scale, offset)
    values = raw.array[0].astype(np.float32) * np.float32(scale) + np.float32(offset)
    for nodata in (raw.nodata, file.nodata, image.nodata):
        if nodata is not None and not np.isnan(nodata):
            values[raw.array[0] == nodata] = np.nan
    return Scene(values[None], raw.grid, (band,), image.unit, float("nan"))  # type: ignore[arg-type]


def _stored(file: BandFile, decoders: DecoderPool) -> Scene:
    raw = decoders.open(file.path, name=str(file.path), decode=False)
    if len(raw.bands) != 1:
        raise BadScene(file.path, f"holds {len(raw.bands)} bands, one was expected", "name another file in the layout")
    if file.grid is not None and not raw.grid.same_as(file.grid):
        raise GridMismatch(f"{file.path.name} {raw.grid}", f"its item {file.grid}", "ask the provider which is right")
    return raw


def _require_same_scale(path: Path, decoders: DecoderPool, scale: float, offset: float) -> None:
    """Nothing where the file carries no scale of its own, or the one that is applied."""
    info = decoders.describe(path, name=str(path))
    if info.scaled and not (np.isclose(info.scales[0], scale) and np.isclose(info.offsets[0], offset)):
        own, other = f"{info.scales[0]:g} and {info.offsets[0]:g}", f"{scale:g} and {offset:g}"
        reason = f"carries scale and offset {own}, its item or dataset.yaml say {other}"
        raise BadScene(path, reason, "state image.scale and image.offset in dataset.yaml once it is clear who is right")


def _kept(grid: Grid, assembly: Assembly, path: Path) -> Window:
    """The window of a grid that covers the wanted ground."""
    if assembly.bounds_wgs84 is None or grid.crs is None:
        return grid.window
    try:
        bounds = transform_bounds(WGS84, grid.crs, *assembly.bounds_wgs84, densify_pts=21)
    except CRSError as error:
        raise BadScene(path, f"the wanted ground has no place in {grid.crs}", "narrow layout.bbox") from error
    window = _covering(grid, bounds)
    if window.rows < 1 or window.cols < 1:
        raise BadScene(path, "lies beside the wanted ground", "look at layout.bbox: items are found by their outline")
    return window


def _covering(grid: Grid, bounds: tuple[float, float, float, float]) -> Window:
    west, south, east, north = bounds
    (left, top), (right, bottom) = (~grid.transform @ corner for corner in ((west, north), (east, south)))
    row, col = max(int(np.floor(top)), 0), max(int(np.floor(left)), 0)
    rows, cols = min(int(np.ceil(bottom)), grid.shape[0]) - row, min(int(np.ceil(right)), grid.shape[1]) - col
    return Window(row, col, rows, cols)


def _onto(scene: Scene, grid: Grid, window: Window, resampling: str, done: dict[str, str]) -> Scene:
    """The scene on the kept grid; a note in ``done`` where pixels were resampled for it."""
    own = scene.grid
    try:
        cropped = scene.crop(window)
    except ValueError:  # a coarser band has no such window
        cropped = scene
    if cropped.grid.same_as(grid):
        return cropped
    if own.crs is None or grid.crs is None:
        raise GridMismatch(f"{scene.bands[0]} {own}", grid, "publish all bands on one grid")
    is_finer = own.pixel_size_m[0] < 0.99 * grid.pixel_size_m[0]
    method = Resampling.average if is_finer else Resampling[resampling]
    around = window_around(own, grid)
    if around is None:
        raise GridMismatch(f"{scene.bands[0]} {own}", grid, "they do not overlap")
    done[scene.bands[0]] = f"{method.name} from {own.pixel_size_m[0]:.3g} m to {grid.pixel_size_m[0]:.3g} m"
    return align(scene.crop(around), grid, method)


def _hidden(candidate: Candidate, grid: Grid, decoders: DecoderPool) -> NDArray[np.bool_]:
    """True where the mask has one of the codes, or no code at all."""
    assert candidate.unseen is not None
    raw = _stored(candidate.unseen.file, decoders)
    codes = raw.array.astype(np.float32)
    scene = Scene(codes, raw.grid, ("unseen",), "class", float("nan"))
    around = window_around(raw.grid, grid) if raw.grid.crs else raw.grid.window
    if around is None:
        raise GridMismatch(f"{candidate.unseen.file.path.name} {raw.grid}", grid, "they do not overlap")
    picked = align(scene.crop(around), grid, Resampling.nearest).array[0]
    hidden: NDArray[np.bool_] = np.isin(picked, candidate.unseen.codes) | ~np.isfinite(picked)
    return hidden


def _require_plausible(scene: Scene, path: Path) -> None:
    """Nothing where reflectance is mostly positive: catalogues announce offsets that their pixels have already."""
    if scene.unit != "reflectance":
        return
    seen: Mapping[str, float] = {
        name: float((band[np.isfinite(band)] < 0).mean()) if np.isfinite(band).any() else 0.0
        for name, band in zip(scene.bands, scene.array, strict=True)
    }
    name, share = max(seen.items(), key=lambda pair: pair[1])
    if share > MOST_NEGATIVE:
        reason = (
            f"{share:.0%} of {name} are below 0 once scale and offset are applied, so that it had the offset before"
        )
        raise BadScene(path, reason, "state image.offset: 0 in dataset.yaml if that is so")
