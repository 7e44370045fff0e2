"""Boxes around objects as public archives write them, as polygons on the grid of their image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import center_of_mass, label
from shapely.affinity import affine_transform
from shapely.geometry import Polygon, box

from components.errors import BadScene
from components.ingestion.roles import BoxesDeclaration
from components.raster.decoding import DecoderPool
from components.raster.grid import Grid
from components.raster.scene import Features

MOST_BYTES = 64 * 1024**2
_RED = 200  # a channel of a red dot; the others are dark


@dataclass(frozen=True)
class Box:
    """One object: its outline in pixels (column, row), what its publisher calls it, and whether they doubted it."""

    outline: Polygon
    published: str
    is_difficult: bool = False


Parser = Callable[[Sequence[str], tuple[int, int]], Box]


def read_boxes(files: Mapping[str, Path], declared: BoxesDeclaration, grid: Grid, decoders: DecoderPool) -> Features:
    """The boxes of a source in map coordinates (pixels where there is no CRS), with `class` and `difficult`.

    No file means no object.

    Raises:
        BadScene: names file and line of what is no box, or of a class that is not declared.
    """
    path = files.get(declared.role)
    if path is None:
        found: list[Box] = []
    elif declared.format == "cowc":
        found = list(_dots(path, declared.box_px, decoders))
    else:
        found = list(_lines(path, _PARSERS[declared.format], grid.shape))
    unknown = sorted({each.published for each in found} - set(declared.classes))
    if unknown:
        raise BadScene(path, f"holds classes that are not declared: {', '.join(unknown[:5])}", "add to boxes.classes")
    t = grid.transform
    outlines = [affine_transform(each.outline, (t.a, t.b, t.d, t.e, t.c, t.f)) for each in found]
    table = {
        "class": np.array([declared.classes[each.published] for each in found], dtype=np.str_),
        "difficult": np.array([each.is_difficult for each in found], dtype=np.bool_),
    }
    return Features(tuple(outlines), grid.crs, table)


def _lines(path: Path, parse: Parser, shape: tuple[int, int]) -> Iterator[Box]:
    if path.is_symlink() or path.stat().st_size > MOST_BYTES:
        raise BadScene(path, "is a link or larger than 64 MB", "put the text file itself there")
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        words = line.replace(",", " ").split()
        if not words or ":" in words[0]:  # DOTA begins with imagesource: and gsd:
            continue
        try:
            yield parse(words, shape)
        except (ValueError, IndexError) as error:
            raise BadScene(path, f"line {number} is no box: {line[:60]!r} ({error})", "mend the line") from error


def _dota(words: Sequence[str], _: tuple[int, int]) -> Box:
    """`x1 y1 x2 y2 x3 y3 x4 y4 class [difficult]`: Xia et al. 2018."""
    return Box(_polygon([float(word) for word in words[:8]]), words[8], words[9:10] == ["1"])


def _vedai(words: Sequence[str], _: tuple[int, int]) -> Box:
    """`x y angle x1 x2 x3 x4 y1 y2 y3 y4 class is_contained is_occluded`: Razakarivony and Jurie 2015."""
    numbers = [float(word) for word in words[:14]]
    corners = [value for pair in zip(numbers[3:7], numbers[7:11], strict=True) for value in pair]
    return Box(_polygon(corners), str(int(numbers[11])), numbers[13] == 1)


def _yolo(words: Sequence[str], shape: tuple[int, int]) -> Box:
    """`class x y width height`, or `class x1 y1 x2 y2 ...`, all in fractions of the picture."""
    rows, cols = shape
    numbers = [float(word) for word in words[1:]]
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return Box(_polygon([n * (rows if index % 2 else cols) for index, n in enumerate(numbers)]), words[0])
    x, y, width, height = numbers
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return Box(_whole(box(left * cols, top * rows, right * cols, bottom * rows)), words[0])


def _polygon(numbers: Sequence[float]) -> Polygon:
    if len(numbers) < 6:
        raise ValueError("too few numbers")
    if not np.isfinite(numbers).all():
        raise ValueError("a number that is none")
    return _whole(Polygon(list(zip(numbers[::2], numbers[1::2], strict=True))))


def _whole(outline: Polygon) -> Polygon:
    if outline.area <= 0:
        raise ValueError("it has no area")
    return outline


def _dots(path: Path, side: float, decoders: DecoderPool) -> Iterator[Box]:
    """A box around each red dot of a picture (Mundhenk et al. 2016: one dot a car, blue dots are no cars)."""
    picture = decoders.open(path, name=str(path), decode=False).array
    if len(picture) < 3:
        raise BadScene(path, f"a picture of dots has 3 bands, this one {len(picture)}", "give the annotated picture")
    red, others = picture[0] > _RED, picture[1:3].max(axis=0) < _RED
    dots, count = label(red & others, structure=np.ones((3, 3)))
    for row, col in center_of_mass(dots > 0, dots, range(1, count + 1)):
        x, y = col + 0.5, row + 0.5
        yield Box(box(x - side / 2, y - side / 2, x + side / 2, y + side / 2), "car")


_PARSERS: Mapping[str, Parser] = {"dota": _dota, "vedai": _vedai, "yolo": _yolo}
