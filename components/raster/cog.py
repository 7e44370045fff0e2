"""The one way pixels go into a file: a valid Cloud Optimised GeoTIFF, complete or not there at all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError  # what rasterio.shutil raises; no public name
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from components.errors import BadScene
from components.raster.atomic import atomic, write_text
from components.raster.encoding import Encoding, encode
from components.raster.grid import Grid
from components.raster.handles import handles, open_file, opened
from components.raster.header import ACQUIRED_TAG, CLASSES_TAG, classes_as_text
from components.raster.scene import Class, Scene

__all__ = ["BLOCK_PX", "Encoding", "retile", "write_scene"]

BLOCK_PX = 512
_RGB = ("B04", "B03", "B02"), ("red", "green", "blue")


def write_scene(scene: Scene, path: Path, encoding: Encoding | None = None) -> None:
    """The scene as a COG: 512 px tiles, overviews, deflate with predictor; the same scene gives the same bytes.

    Without ``encoding`` the numbers are stored as they are. A class map of one uint8 band gets a colour table, and
    the names of its classes also stand in `<name>.aux.xml`, where desktop GIS looks for them.

    Raises:
        BadScene: if a value does not fit the stored type, or would be mistaken for nodata.
        OSError: if the file cannot be written; nothing is left behind then.
    """
    pixels = scene.array.astype(np.uint8) if scene.array.dtype == np.bool_ else scene.array
    encoding = encoding or as_it_is(pixels.dtype, scene.nodata, path)
    stored = encode(pixels, scene.nodata, encoding, path)
    with atomic(path) as temporary, MemoryFile() as memory:
        with quiet(), memory.open(**profile_of(scene, scene.grid, encoding)) as dataset:
            dataset.write(stored)
            describe_scene(dataset, scene, encoding)
        with quiet(), memory.open() as dataset:
            _copy_as_cog(dataset, temporary, scene.unit == "class")
    write_class_names(path, scene.classes)


def retile(source: Path, target: Path) -> None:
    """The same pixels and metadata as a COG, streamed block by block: for striped or untiled input.

    Raises:
        BadScene: if the source cannot be read.
        OSError: if the file cannot be written; nothing is left behind then.
    """
    info = opened(source).info
    with atomic(target) as temporary, open_file(source) as dataset:
        try:
            _copy_as_cog(dataset, temporary, info.unit == "class")
        except OSError as error:
            if "Read" not in str(error):  # GDAL's own names: IReadBlock, TIFFReadEncodedTile
                raise
            raise BadScene(source, "the file is truncated or damaged", "fetch it again") from error
    write_class_names(target, info.classes)


def as_it_is(dtype: np.dtype[Any], nodata: float | None, path: Path) -> Encoding:
    """The encoding that stores numbers as they are.

    Raises:
        BadScene: if a GeoTIFF cannot hold them.
    """
    try:
        return Encoding(dtype.name, nodata=nodata)
    except ValueError as error:
        raise BadScene(path, str(error), "convert the scene, or name an encoding") from error


def profile_of(scene: Scene, grid: Grid, encoding: Encoding) -> dict[str, Any]:
    """The creation options of a GeoTIFF over ``grid`` for scenes of this kind."""
    rows, cols = grid.shape
    # MINISBLACK and no alpha: GDAL would take three or four 8-bit bands for a picture with transparency.
    profile = {"driver": "GTiff", "height": rows, "width": cols, "count": len(scene.bands), "dtype": encoding.dtype}
    photometric = "PALETTE" if _has_colours(scene, encoding) else "MINISBLACK"
    profile |= {"nodata": encoding.nodata, "photometric": photometric, "alpha": "NO", "BIGTIFF": "IF_SAFER"}
    if grid.crs is not None or grid.transform != Affine.identity():
        profile |= {"transform": grid.transform}
    return profile if grid.crs is None else profile | {"crs": grid.crs}


def describe_scene(dataset: Any, scene: Scene, encoding: Encoding) -> None:  # noqa: ANN401 - rasterio ships no types
    """Bands, unit, tags, colours and classes of the scene written into an open dataset."""
    count = len(scene.bands)
    dataset.descriptions = scene.bands
    dataset.units = (scene.unit,) * count
    if (encoding.scale, encoding.offset) != (1.0, 0.0):
        dataset.scales, dataset.offsets = (encoding.scale,) * count, (encoding.offset,) * count
    tags = dict(scene.tags)
    if scene.acquired is not None:
        tags[ACQUIRED_TAG] = scene.acquired.isoformat()
    if scene.classes:
        tags[CLASSES_TAG] = classes_as_text(scene.classes)
    dataset.update_tags(**tags)
    if _has_colours(scene, encoding):
        dataset.write_colormap(1, _colour_table(scene.classes))
    elif scene.bands in _RGB:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    else:
        dataset.colorinterp = (ColorInterp.gray,) + (ColorInterp.undefined,) * (count - 1)


def _has_colours(scene: Scene, encoding: Encoding) -> bool:
    return bool(scene.classes) and len(scene.bands) == 1 and encoding.dtype == "uint8"


def _colour_table(classes: tuple[Class, ...]) -> dict[int, tuple[int, int, int, int]]:
    unnamed = dict.fromkeys(range(256), (0, 0, 0, 0))
    return unnamed | {each.code: (*each.colour, 255) for each in classes}


def _copy_as_cog(dataset: Any, path: Path, is_map: bool) -> None:  # noqa: ANN401
    handles()  # the options of this thread
    options = {"BLOCKSIZE": BLOCK_PX, "COMPRESS": "DEFLATE", "PREDICTOR": "YES", "BIGTIFF": "IF_SAFER"}
    options |= {"OVERVIEWS": "IGNORE_EXISTING", "OVERVIEW_RESAMPLING": "MODE" if is_map else "AVERAGE"}
    try:
        rasterio.shutil.copy(dataset, path, driver="COG", **options)
    except (RasterioError, CPLE_BaseError) as error:
        raise OSError(f"{path.parent} cannot hold the file ({error}); is the disk full?") from error
    if not _is_whole(path):  # GDAL flushes at the end, and keeps it to itself when that fails
        raise OSError(f"{path.parent} cannot hold the file; is the disk full?")


def _is_whole(path: Path) -> bool:
    """True where a COG holds its last tile to the end: the full resolution stands behind its overviews."""
    try:
        with quiet(), open_file(path) as dataset:
            row, col = (-(-edge // BLOCK_PX) - 1 for edge in dataset.shape)
            tile = (dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", 1) for what in ("OFFSET", "SIZE"))
            return sum(int(number or 0) for number in tile) <= path.stat().st_size
    except BadScene:
        return False


def write_class_names(path: Path, classes: tuple[Class, ...]) -> None:
    """The class names beside the raster, where desktop GIS looks for them; an older list is removed."""
    beside = path.with_name(f"{path.name}.aux.xml")
    if not classes:
        beside.unlink(missing_ok=True)
        return
    names = {each.code: each.name for each in classes}
    rows = (f"      <Category>{escape(names.get(code, ''))}</Category>" for code in range(max(names) + 1))
    head, tail = (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>',
        "    </CategoryNames>\n  </PAMRasterBand>",
    )
    write_text(beside, "\n".join([head, *rows, tail, "</PAMDataset>", ""]))


@contextmanager
def quiet() -> Iterator[None]:
    """A pixel grid is a legal thing here: no warning that it has no place on the ground."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
