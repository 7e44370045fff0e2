"""Series: all dates in; what changed, how surely, when, and every event out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.inference.method import Method, Outputs
from components.pictures.picture import Picture
from components.raster.dataset import Source
from components.tasks.change import series_chips, series_drawing, series_scoring
from components.tasks.change.events import EVENTS
from components.tasks.change.omnibus import Omnibus
from components.tasks.change.options import prepare_options
from components.tasks.change.pair import CHANGE, CLASSES, PROBABILITY
from components.tasks.change.reactiv import SERIES, Reactiv
from components.tasks.change.reactiv_composite import COMPOSITE
from components.tasks.change.reactiv_dating import WHEN, WHEN_BANDS
from components.tasks.change.samples import WholeChips
from components.tasks.change.series_options import SeriesName, SeriesOptions, series_options
from components.tasks.change.series_rivals import FirstAndLast, NothingHappened
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.params import RunParams
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Rows, Sample, Samples, Spec

RIVALS: tuple[SeriesName, ...] = ("log-ratio", "omnibus")
MAPS = (
    OutputSpec(CHANGE, "classes", "class", (CHANGE,), CLASSES),
    OutputSpec(PROBABILITY, "continuous", "probability", (PROBABILITY,)),
)
HISTORY = (
    OutputSpec(WHEN, "continuous", "1", WHEN_BANDS),
    OutputSpec(EVENTS, "features", "1"),
    OutputSpec(COMPOSITE, "continuous", "digital_number", ("red", "green", "blue")),
)


class SeriesKind:
    """A radar series on one grid; see `components.tasks.seam.Task` for the methods. Nothing is learnt."""

    def spec(self, params: RunParams) -> Spec:
        """Input `series`; outputs `change`, `probability`, and of REACTIV `when`, `events` and `composite`."""
        method = series_options(params)
        series = InputSpec(
            SERIES,
            method.sensor,
            method.canonical_bands,
            method.unit,
            kind="stack",
            pixel_size_m=method.pixel_size_m,
            needs_crs=method.needs_crs,
        )
        outputs = (*MAPS, *HISTORY) if method.name == "reactiv" else MAPS
        return Spec((series,), outputs, Metric("f1"))

    def prepare(self, sources: Sequence[Source], params: RunParams) -> Iterator[Chip]:
        """Chips of all dates with the targets `change`, `kind` and `span`."""
        return series_chips.cut(sources, prepare_options(params), series_options(params))

    def samples(self, prepared: Prepared, split: Split, params: RunParams) -> Samples:
        """Whole chips: nothing is trained."""
        return WholeChips(prepared, prepared.ids(split))

    def methods(self, params: RunParams) -> Methods:
        """The candidate, the log-ratio of first and last date, the omnibus test, and the control."""
        method = series_options(params)
        baselines: dict[str, Method] = {name: method_of(name, method) for name in RIVALS if name != method.name}
        controls: dict[str, Method] = {"all-unchanged": NothingHappened(method.canonical_bands)}
        return Methods(method_of(method.name, method), baselines, controls)

    def measure(self, sample: Sample, output: Outputs) -> Rows:
        """Counts of the change class and errors of dates, see `series_scoring.measure`."""
        return series_scoring.measure(sample, output)

    def draw(self, sample: Sample, output: Outputs) -> Picture:
        """First and last date, composite, truth, and the answer with hits, false alarms and misses."""
        return series_drawing.draw(sample, output)


def method_of(name: SeriesName, options: SeriesOptions) -> Method:
    """The method of that name with the options of a run."""
    bands = options.canonical_bands
    if name == "omnibus":
        return Omnibus(bands, options.looks, options.false_alarms, needs_survey=options.looks is None)
    if name == "log-ratio":
        return FirstAndLast.of(bands, options.window_px)
    return Reactiv(
        bands,
        options.looks,
        options.false_alarms,
        season=options.season,
        season_optional=True,
        least_days=options.least_days,
        least_px=options.least_px,
    )
