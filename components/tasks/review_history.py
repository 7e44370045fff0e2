"""Who corrected which chip, when, and what changed: `review.jsonl` beside the scenes of a dataset, a line a chip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from components.errors import BadParams
from components.raster.atomic import write_text
from components.raster.grid import Window

FILE = "review.jsonl"
DRAWN, UNSURE = "drawn", "cannot tell"  # verdicts: what was drawn counts, or the label stays as it is


@dataclass(frozen=True)
class Entry:
    """One correction of a chip that was merged."""

    review: str
    chip: str
    scene: str
    window: tuple[int, int, int, int]  # first row and column, rows, columns
    role: str
    by: str
    when: str
    form: str  # what it came as: label-studio, coco, geojson
    verdict: str
    reason: str  # why the chip was looked at
    annotation: str  # digest of what was drawn
    base: str  # the version of the dataset that the person saw
    label_before: str  # digests of the chip's label
    label_after: str
    changed_px: int
    changes: Mapping[str, int]  # pixels by "from > to"

    @property
    def place(self) -> Window:
        """The window of the chip in its scene."""
        return Window(*self.window)


def read_history(raw: Path) -> tuple[Entry, ...]:
    """The corrections of a dataset, oldest first; none where nobody reviewed it.

    Raises:
        BadParams: if a line cannot be read; names it.
    """
    path = raw / FILE
    if not path.is_file():
        return ()
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            content = json.loads(line)
            entries.append(Entry(**{**content, "window": tuple(content["window"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise BadParams(f"{path}, line {number}", f"is no correction ({error}); restore it with dvc") from error
    return tuple(entries)


def append_history(raw: Path, new: Sequence[Entry]) -> None:
    """The corrections added to those that stand, in one step."""
    lines = [json.dumps(asdict(entry), sort_keys=True, ensure_ascii=False) for entry in (*read_history(raw), *new)]
    write_text(raw / FILE, "".join(f"{line}\n" for line in lines))
