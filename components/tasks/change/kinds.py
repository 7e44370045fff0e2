"""The two kinds of change runs: what differs between two scenes, and what happened in a series of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from components.inference.method import Outputs
from components.pictures.picture import Picture
from components.raster.dataset import Source
from components.tasks.change.pair_kind import PairKind
from components.tasks.change.reactiv import SERIES
from components.tasks.change.series_kind import SeriesKind
from components.tasks.change.series_options import is_series
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.params import RunParams
from components.tasks.seam import Methods, Rows, Sample, Samples, Spec


class Kind(Protocol):
    """What pairs and series do each in their own way; scores are summarised alike."""

    def spec(self, params: RunParams) -> Spec:
        """See `Task.spec`."""
        ...

    def prepare(self, sources: Sequence[Source], params: RunParams) -> Iterator[Chip]:
        """See `Task.prepare`."""
        ...

    def samples(self, prepared: Prepared, split: Split, params: RunParams) -> Samples:
        """See `Task.samples`."""
        ...

    def methods(self, params: RunParams) -> Methods:
        """See `Task.methods`."""
        ...

    def measure(self, sample: Sample, output: Outputs) -> Rows:
        """See `Task.measure`."""
        ...

    def draw(self, sample: Sample, output: Outputs) -> Picture:
        """See `Task.draw`."""
        ...


_PAIRS, _SERIES = PairKind(), SeriesKind()


def kind_of_run(params: RunParams) -> Kind:
    """The kind that the method of a run is of."""
    return _SERIES if is_series(params) else _PAIRS


def kind_of_sample(sample: Sample) -> Kind:
    """The kind that a sample is of, by its inputs."""
    return _SERIES if SERIES in sample.inputs else _PAIRS
