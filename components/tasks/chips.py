"""Chips on disk: few large shards with an index, split by place, never one file a chip."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS
from safetensors import safe_open
from safetensors.numpy import save_file
from shapely import transform
from shapely.affinity import affine_transform
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from components.errors import LineageBroken, NotEnoughData, UnknownName
from components.raster.grid import Grid, Window
from components.raster.scene import Array, Class, Features, Scene, Stack, Value
from components.tasks.params import Fold

Split = Literal["train", "val", "test"]
SHARD_BYTES = 256 * 1024**2
MOST_LISTED = 5  # chip ids in a message; there may be thousands
OUTLINE_POINTS = 16  # points on the longer side of a footprint
INDEX = "index.parquet"
LEFT_OUT = "left_out"  # column of the index where the dataset has a quarantine: the rules against a chip, or nothing


@dataclass(frozen=True)
class Chip:
    """A window of one or several co-gridded scenes with its target.

    ``place`` is the unit of splitting and of the bootstrap; ``source`` names the ingested item.
    """

    id: str
    place: str
    source: str
    window: Window
    inputs: Mapping[str, Value]
    targets: Mapping[str, Value] = field(default_factory=dict)

    @property
    def footprint(self) -> BaseGeometry | None:
        """The ground that the chip covers in WGS 84 (its true outline, not the box around it); None without CRS."""
        first = next(iter(self.inputs.values()))
        crs = first.crs if isinstance(first, Features) else first.grid.crs
        outline = unary_union(first.geometries) if isinstance(first, Features) else _outline(first.grid)
        if crs is None or outline.is_empty:
            return None
        return warped(outline, Transformer.from_crs(crs.to_wkt(), "EPSG:4326", always_xy=True))


def warped(shape: BaseGeometry, transformer: Transformer) -> BaseGeometry:
    """The shape with every vertex transformed; x before y on both sides."""

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    return transform(shape, move)


def _outline(grid: Grid) -> BaseGeometry:
    """The edge of a grid in its CRS, with points between the corners: straight in UTM is bent in degrees."""
    rows, cols = grid.shape
    corners = Polygon([(0, 0), (cols, 0), (cols, rows), (0, rows)])
    return affine_transform(corners.segmentize(max(rows, cols) / OUTLINE_POINTS), grid.transform.to_shapely())


@dataclass(frozen=True)
class _Entry:
    """A row of the index, parsed once."""

    place: str
    source: str
    window: Window
    shard: str
    about: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, row: Any) -> _Entry:  # noqa: ANN401 - a named tuple of pandas
        return cls(row.place, row.source, Window(*json.loads(row.window)), row.shard, json.loads(row.about))


class Prepared:
    """A folder of packed chips, read lazily: an index in memory, pixels by memory map.

    Raises:
        NotEnoughData: if the folder holds no index.
    """

    def __init__(self, folder: Path, fold: Fold | None = None) -> None:
        self.folder, self.fold = folder, fold
        if not (folder / INDEX).is_file():
            raise NotEnoughData(f"{folder} holds no prepared chips; run the prepare stage of the run first")
        self.index = gpd.read_parquet(folder / INDEX)
        self._shards: dict[str, Any] = {}
        # a training reads thousands of chips: no table look-up and no JSON for each of them
        self._entries = {row.chip: _Entry.of(row) for row in self.index.itertuples()}

    def of(self, fold: Fold) -> Prepared:
        """The same chips divided as ``fold`` says."""
        divided = copy(self)  # index and memory maps are shared
        divided.fold = fold
        return divided

    def ids(self, split: Split | None = None) -> tuple[str, ...]:
        """Chip ids of a split (all of them for None), in the order of the index.

        No training learns from chips that annotation QA left out; as validation and test they stay.

        Raises:
            NotEnoughData: if the split is empty.
        """
        if split is None or self.fold is None:
            return tuple(self.index["chip"])
        places: frozenset[str] = getattr(self.fold, split)
        chosen = self.index["place"].isin(places)
        if split == "train" and LEFT_OUT in self.index:
            chosen &= self.index[LEFT_OUT] == ""
        found = tuple(self.index.loc[chosen, "chip"])
        if not found:
            raise NotEnoughData(
                f"{self.folder}: no chip of split {split} in fold {self.fold.name}; see the run's split"
            )
        return found

    @property
    def digest(self) -> str:
        """SHA-256 over all chip digests: names these pixels and targets."""
        joined = "\n".join(f"{row.chip} {row.digest}{getattr(row, LEFT_OUT, '')}" for row in self.index.itertuples())
        return hashlib.sha256(joined.encode()).hexdigest()

    def chip(self, chip_id: str, window: Window | None = None) -> Chip:
        """A chip, or only a window of it (relative to the chip), read from its shard."""
        entry = self._entry(chip_id)
        shard = self._shard(entry.shard)
        values = {name: _read(shard, f"{chip_id}/{name}", about, window) for name, about in entry.about.items()}
        return Chip(
            id=chip_id,
            place=entry.place,
            source=entry.source,
            window=entry.window,
            inputs={n.removeprefix("inputs."): v for n, v in values.items() if n.startswith("inputs.")},
            targets={n.removeprefix("targets."): v for n, v in values.items() if n.startswith("targets.")},
        )

    def place(self, chip_id: str) -> str:
        """The place of a chip."""
        return self._entry(chip_id).place

    def shape(self, chip_id: str) -> tuple[int, int]:
        """Rows and columns of a chip."""
        window = self._entry(chip_id).window
        return window.rows, window.cols

    def _entry(self, chip_id: str) -> _Entry:
        if chip_id not in self._entries:
            raise UnknownName(f"chip in {self.folder}", chip_id, list(self._entries)[:MOST_LISTED])
        return self._entries[chip_id]

    def _shard(self, name: str) -> Any:  # noqa: ANN401 - safetensors ships no type of its handle
        if name not in self._shards:
            self._shards[name] = safe_open(self.folder / name, framework="numpy")
        return self._shards[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shards": {}}  # memory maps do not travel to another process


def pack(chips: Iterator[Chip], folder: Path, left_out: Callable[[Chip], str] | None = None) -> Prepared:
    """The chips written as shards with a GeoParquet index; the same chips give the same bytes.

    ``left_out`` says why no training may learn from a chip (nothing: it may); the index keeps what it says.

    Raises:
        NotEnoughData: if there is no chip.
        LineageBroken: if two chips have one id.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    shard: dict[str, Array] = {}
    for chip in chips:
        if any(row["chip"] == chip.id for row in rows):
            raise LineageBroken(f"two chips are called {chip.id}; give the sources of {folder.name} distinct ids")
        values = {f"inputs.{n}": v for n, v in chip.inputs.items()} | {
            f"targets.{n}": v for n, v in chip.targets.items()
        }
        arrays: dict[str, Array] = {}
        about = {name: _describe(value, f"{chip.id}/{name}", arrays) for name, value in values.items()}
        if shard and sum(array.nbytes for array in (*shard.values(), *arrays.values())) > SHARD_BYTES:
            _write_shard(shard, folder, rows)
            shard = {}
        shard |= arrays
        rows.append(_index_row(chip, about, arrays) | ({LEFT_OUT: left_out(chip)} if left_out else {}))
    if not rows:
        raise NotEnoughData(f"nothing was prepared into {folder}; is the dataset empty or all quarantined?")
    _write_shard(shard, folder, rows)
    frame = gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326")
    frame.to_parquet(folder / INDEX)
    return Prepared(folder)


def _write_shard(shard: dict[str, Array], folder: Path, rows: list[dict[str, Any]]) -> None:
    name = f"shard-{len({row['shard'] for row in rows if row['shard']}):03d}.safetensors"
    save_file(shard, folder / name)
    for row in rows:
        row["shard"] = row["shard"] or name


def _index_row(chip: Chip, about: dict[str, Any], arrays: Mapping[str, Array]) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    times = [value.acquired for value in chip.inputs.values() if isinstance(value, Scene) and value.acquired]
    return {
        "chip": chip.id,
        "place": chip.place,
        "source": chip.source,
        "window": json.dumps([chip.window.row, chip.window.col, chip.window.rows, chip.window.cols]),
        "acquired": max(times).isoformat() if times else "",
        "shard": "",
        "digest": digest.hexdigest(),
        "about": json.dumps(about, sort_keys=True),
        "geometry": chip.footprint,
    }


def _describe(value: Value, key: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """The JSON part of a value; its arrays are added to ``arrays`` under ``key``."""
    if isinstance(value, Features):
        from shapely import to_wkb

        blob = b"".join(len(w).to_bytes(4, "little") + w for w in map(to_wkb, value.geometries))
        arrays[f"{key}/wkb"] = np.frombuffer(blob, dtype=np.uint8).copy()
        said = {name: column for name, column in value.table.items() if column.dtype.kind in "UM"}
        for name in value.table.keys() - said.keys():
            arrays[f"{key}/table/{name}"] = np.ascontiguousarray(value.table[name])
        kept = {"kind": "features", "crs": _crs_text(value.crs), "table": sorted(value.table.keys() - said.keys())}
        texts = {name: [str(column.dtype), column.astype(str).tolist()] for name, column in said.items()}
        return {**kept, "texts": texts} if texts else kept  # safetensors hold numbers only
    arrays[key] = np.ascontiguousarray(value.array)
    nodata = None if value.nodata is None else str(value.nodata)
    about: dict[str, Any] = {
        "crs": _crs_text(value.grid.crs),
        "transform": list(value.grid.transform)[:6],
        "bands": list(value.bands),
        "unit": value.unit,
        "nodata": nodata,
    }
    if isinstance(value, Stack):
        return {**about, "kind": "stack", "dates": [d.isoformat() for d in value.dates], "orbit": value.orbit}
    return {
        **about,
        "kind": "scene",
        "acquired": value.acquired.isoformat() if value.acquired else None,
        "classes": [asdict(each) for each in value.classes],
    }


def _crs_text(crs: CRS | None) -> str | None:
    return crs.to_string() if crs else None


@lru_cache(maxsize=64)
def _crs(text: str | None) -> CRS | None:
    return CRS.from_string(text) if text else None


def _read(shard: Any, key: str, about: Mapping[str, Any], window: Window | None) -> Value:  # noqa: ANN401
    crs = _crs(about["crs"])
    if about["kind"] == "features":
        return _read_features(shard, key, about, crs)
    pixels = shard.get_slice(key)
    shape = tuple(pixels.get_shape())
    whole = Grid(crs, Affine(*about["transform"]), (shape[-2], shape[-1]))
    inside = window or whole.window
    array = np.asarray(pixels[(..., *inside.slices)])
    nodata = None if about["nodata"] is None else float(about["nodata"])
    grid, bands = whole.crop(inside), tuple(about["bands"])
    if about["kind"] == "stack":
        dates = tuple(datetime.fromisoformat(text) for text in about["dates"])
        return Stack(array, grid, bands, about["unit"], dates, nodata, about["orbit"])
    acquired = datetime.fromisoformat(about["acquired"]) if about["acquired"] else None
    classes = tuple(Class(c["code"], c["name"], tuple(c["colour"])) for c in about["classes"])
    return Scene(array, grid, bands, about["unit"], nodata, acquired, classes)


def _read_features(shard: Any, key: str, about: Mapping[str, Any], crs: CRS | None) -> Features:  # noqa: ANN401
    from shapely import from_wkb

    blob = shard.get_tensor(f"{key}/wkb").tobytes()
    geometries, at = [], 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4], "little")
        geometries.append(from_wkb(blob[at + 4 : at + 4 + size]))
        at += 4 + size
    table = {name: shard.get_tensor(f"{key}/table/{name}") for name in about["table"]}
    table |= {name: np.array(values, dtype) for name, (dtype, values) in about.get("texts", {}).items()}
    return Features(tuple(geometries), crs, table)
