"""What the inputs of each run looked like, band by band: kept for a later comparison with the training data.

A request adds one row a band to an SQLite file (`<home>/service/inputs.sqlite`); the newest 100,000 rows stay.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from components.raster.scene import Scene
from serving.observing import request_id

logger = logging.getLogger(__name__)
KEPT = 100_000
SWEEP_EVERY = 1000
SAMPLE = 256 * 1024  # pixels a band looked at, evenly spread: about 5 ms
QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)


@dataclass(frozen=True)
class BandStatistics:
    """One band of one input of one request, in the unit of the run's spec; NaN where no pixel is valid."""

    time_s: float
    request: str
    run: str
    version: str
    input: str
    band: str
    mean: float
    std: float
    q02: float
    q25: float
    q50: float
    q75: float
    q98: float
    nodata_share: float


COLUMNS = tuple(each.name for each in fields(BandStatistics))
TEXTS = frozenset({"request", "run", "version", "input", "band"})


class InputStatistics:
    """Appends to the file at ``path``; safe from several threads and processes."""

    def __init__(self, path: Path, *, kept: int = KEPT) -> None:
        self.path, self.kept = path, kept
        self._one_at_a_time = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def close(self) -> None:
        """The file let go."""
        with self._one_at_a_time:
            if self._database is not None:
                self._database.close()
            self._database = None

    def add(self, run: str, version: str, scenes: Mapping[str, Scene]) -> None:
        """The statistics of a request's inputs kept. A full or broken disk is logged and fails no request."""
        now, request = time.time(), request_id.get()
        rows = [
            astuple(BandStatistics(now, request, run, version, name, band, *_of_band(scene, number)))
            for name, scene in scenes.items()
            for number, band in enumerate(scene.bands)
        ]
        try:
            with self._one_at_a_time:
                self._database = self._database or _opened(self.path)
                self._insert(self._database, rows)
        except (sqlite3.Error, OSError) as error:
            logger.warning("statistics of inputs were not kept: %s", error)

    def _insert(self, database: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(COLUMNS))
        with database:
            last = [database.execute(f"INSERT INTO inputs VALUES ({marks})", row).lastrowid or 0 for row in rows]
            if any(number % SWEEP_EVERY == 0 for number in last):
                database.execute("DELETE FROM inputs WHERE rowid <= ?", (last[-1] - self.kept,))


def read_statistics(path: Path, run: str, since_s: float = 0.0) -> tuple[BandStatistics, ...]:
    """What the inputs of a run looked like since a time (seconds since 1970), the oldest first."""
    if not path.is_file():
        return ()
    query = f"SELECT {', '.join(COLUMNS)} FROM inputs WHERE run = ? AND time_s >= ? ORDER BY rowid"
    with closing(_opened(path)) as database:
        rows = database.execute(query, (run, since_s)).fetchall()
    return tuple(BandStatistics(*_with_nan(row)) for row in rows)


def _with_nan(row: Sequence[Any]) -> list[Any]:
    """SQLite keeps NaN as NULL."""
    return [float("nan") if value is None else value for value in row]


def _of_band(scene: Scene, number: int) -> list[float]:
    """Mean, standard deviation, quantiles and the share without data of a band, from evenly spread pixels."""
    rows, cols = scene.grid.shape
    step = max(1, int(np.ceil(np.sqrt(rows * cols / SAMPLE))))
    valid = scene.valid[::step, ::step]
    values = scene.array[number, ::step, ::step][valid].astype(np.float64)
    share = 1.0 - values.size / valid.size
    if values.size == 0:
        return [float("nan")] * (2 + len(QUANTILES)) + [share]
    return [float(values.mean()), float(values.std()), *np.quantile(values, QUANTILES).tolist(), share]


def _opened(path: Path) -> sqlite3.Connection:
    """The database, which several threads may use in turn; an append survives the process, not a loss of power."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    columns = ", ".join(f"{name} {'TEXT' if name in TEXTS else 'REAL'}" for name in COLUMNS)
    database.execute(f"CREATE TABLE IF NOT EXISTS inputs ({columns})")
    return database
