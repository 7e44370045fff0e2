"""Change between two dates (new buildings, clear-cuts, burned ground) and in radar series. See CARD.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.inference.method import Outputs
from components.pictures.picture import Picture
from components.raster.dataset import Source
from components.tasks.change import scoring
from components.tasks.change.kinds import kind_of_run, kind_of_sample
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.params import RunParams
from components.tasks.seam import Methods, Rows, Sample, Samples, Scores, Spec


class ChangeTask:
    """A pair or a series in, a change map and its probability out; decided by the micro F1 of the change class."""

    def spec(self, params: RunParams) -> Spec:
        """Inputs `before` and `after`, or `series`; outputs `change`, `probability`, and of a series when and what."""
        return kind_of_run(params).spec(params)

    def prepare(self, sources: Sequence[Source], params: RunParams) -> Iterator[Chip]:
        """Chips of all dates with the targets `change` and `kind`."""
        return kind_of_run(params).prepare(sources, params)

    def samples(self, prepared: Prepared, split: Split, params: RunParams) -> Samples:
        """Augmented crops of pairs to train on, whole chips to be scored on."""
        return kind_of_run(params).samples(prepared, split, params)

    def methods(self, params: RunParams) -> Methods:
        """The candidate, its rivals, and the control that calls nothing changed."""
        return kind_of_run(params).methods(params)

    def measure(self, sample: Sample, output: Outputs) -> Rows:
        """Counts of the change class, and of a series how well it is dated."""
        return kind_of_sample(sample).measure(sample, output)

    def summarise(self, rows: Rows) -> Scores:
        """Pooled scores, see `scoring.summarise`."""
        return scoring.summarise(rows)

    def draw(self, sample: Sample, output: Outputs) -> Picture:
        """The dates, the truth, and the answer with hits, false alarms and misses."""
        return kind_of_sample(sample).draw(sample, output)


TASK = ChangeTask()
