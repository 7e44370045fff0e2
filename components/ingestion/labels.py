"""Class maps as they are published (numbers, colours, grey pictures) become class codes; nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene
from components.ingestion.roles import NODATA_CODE, LabelDeclaration
from components.raster.scene import Array, Scene


def read_label(path: Path, label: LabelDeclaration, raw: Scene) -> Scene:
    """The class codes in the stored numbers of a label file, uint8 with 255 for not labelled.

    Raises:
        BadScene: if it holds a value or colour that is not declared, or has too few or unexpected bands.
    """
    codes = _by_colour(path, label.colours, raw) if label.colours else _by_value(path, label, raw)
    return Scene(codes[None], raw.grid, ("class",), "class", nodata=NODATA_CODE, classes=label.as_classes())


def _by_value(path: Path, label: LabelDeclaration, raw: Scene) -> NDArray[np.uint8]:
    layer = _layer(path, label, raw)
    unknown = [
        float(value) for value in np.unique(layer) if value not in label.values and not _is_nodata(value, raw.nodata)
    ]
    if unknown:
        raise _undeclared(path, [f"{value:g}" for value in unknown], "label.values")
    codes = np.full(layer.shape, NODATA_CODE, dtype=np.uint8)
    for value, code in label.values.items():
        codes[layer == value] = code
    return codes


def _is_nodata(value: float, nodata: float | None) -> bool:
    return nodata is not None and (value == nodata or bool(np.isnan(value) and np.isnan(nodata)))


def _layer(path: Path, label: LabelDeclaration, raw: Scene) -> Array:
    """The declared band; of a picture in grey any of the three, which are the same."""
    is_grey = len(raw.bands) in (3, 4) and (raw.array[1:3] == raw.array[:1]).all()
    if "band" not in label.model_fields_set and len(raw.bands) != 1 and not is_grey:
        raise BadScene(path, f"a label has one band, this one has {len(raw.bands)}", "declare label.band or colours")
    if label.band > len(raw.bands):
        raise BadScene(path, f"has {len(raw.bands)} bands, label.band is {label.band}", "mend dataset.yaml")
    layer: Array = raw.array[label.band - 1]
    return layer


def _by_colour(path: Path, colours: Mapping[str, int], raw: Scene) -> NDArray[np.uint8]:
    if len(raw.bands) not in (3, 4) or raw.array.dtype != np.uint8:
        raise BadScene(path, f"a coloured label has 3 bands of bytes, this one {len(raw.bands)}", "use label.values")
    red, green, blue = raw.array[:3].astype(np.int32)
    mixed = (red << 16) | (green << 8) | blue
    known = {int(text[1:], 16): code for text, code in colours.items()}
    unknown = [f"#{value:06x}" for value in np.unique(mixed).tolist() if value not in known]
    if unknown:
        raise _undeclared(path, unknown, "label.colours")
    codes = np.full(mixed.shape, NODATA_CODE, dtype=np.uint8)
    for value, code in known.items():
        codes[mixed == value] = code
    return codes


def _undeclared(path: Path, found: list[str], key: str) -> BadScene:
    shown = ", ".join(found[:5])
    return BadScene(path, f"holds label values that are not declared: {shown}", f"add them to {key}")
