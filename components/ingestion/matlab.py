"""Cubes and maps published as MATLAB files: numbers only, before and after version 7.3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from affine import Affine
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from components.errors import BadScene
from components.raster.grid import Grid
from components.raster.limits import OpenLimits
from components.raster.scene import Array, Scene

SUFFIX = ".mat"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HEADER_BYTES = 512  # MATLAB writes a text of its own before the HDF5 file


def read_mat(path: Path, variable: str | None, limits: OpenLimits) -> Scene:
    """A cube `(row, col, band)` or a map `(row, col)` as a scene on a pixel grid, its bands without a name.

    ``variable`` may be left out where the file holds one array of numbers with two or three long axes.

    Raises:
        BadScene: if the file is no MATLAB file, is larger than ``limits`` allow, or which array is meant is unclear.
    """
    shapes, read = _opened(path)
    usable = {name: shape for name, shape in shapes.items() if len(shape) in (2, 3) and min(shape[:2]) > 1}
    if variable is None and len(usable) != 1:
        reason = f"holds {len(usable)} arrays: {', '.join(sorted(usable)) or 'none'}"
        raise BadScene(path, reason, "say which in dataset.yaml, key variable")
    name = variable or next(iter(usable))
    if name not in usable:
        raise BadScene(path, f"no array {name} among {', '.join(sorted(usable))}", "mend variable in dataset.yaml")
    size = 8 * int(np.prod(usable[name], dtype=np.int64))
    if size > limits.decoded_bytes:
        reason = f"{size} bytes once decoded, at most {limits.decoded_bytes} are accepted"
        raise BadScene(path, reason, limits.remedy("decoded_bytes"))
    array = read(name)
    if array.dtype.kind not in "iuf":
        raise BadScene(path, f"{name} is of type {array.dtype}", "send integers or real numbers")
    layers = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    bands = tuple(f"band{index}" for index in range(1, len(layers) + 1))
    grid = Grid(None, Affine.identity(), (layers.shape[1], layers.shape[2]))
    return Scene(np.ascontiguousarray(layers), grid, bands, "digital_number")


def _opened(path: Path) -> tuple[dict[str, tuple[int, ...]], Callable[[str], Array]]:
    """The shape of every array as MATLAB has it, and how to read one."""
    if path.is_symlink():
        raise BadScene(path, "links are not followed", "put the file itself there")
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES + len(_HDF5))
    try:
        if head.startswith(_HDF5) or head[_HEADER_BYTES:] == _HDF5:
            with h5py.File(path, "r") as found:
                stored = {name: node.shape for name, node in found.items() if isinstance(node, h5py.Dataset)}
            return {name: shape[::-1] for name, shape in stored.items()}, lambda name: _hdf5(path, name)
        return {name: shape for name, shape, _ in whosmat(str(path))}, lambda name: _classic(path, name)
    except (MatReadError, ValueError, OSError, NotImplementedError, TypeError) as error:
        raise BadScene(path, f"is no MATLAB file ({error})", "fetch it again") from error


def _hdf5(path: Path, name: str) -> Array:
    with h5py.File(path, "r") as file:
        return np.asarray(file[name]).T  # MATLAB counts its axes the other way round


def _classic(path: Path, name: str) -> Array:
    return np.asarray(loadmat(str(path), variable_names=[name])[name])
