"""Series: all dates in; what changed, how surely, when, and every event out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.inference.method import Method, Outputs
from components.pictures.picture import Picture
from components.raster.dataset import Source
from components.tasks.change import series_chips, series_drawing, series_scoring
from components.tasks.change.activity import ACTIVITY, ACTIVITY_BANDS, BACKGROUND
from components.tasks.change.events import EVENTS
from components.tasks.change.omnibus import DatedOmnibus, Omnibus
from components.tasks.change.options import prepare_options
from components.tasks.change.pair import CHANGE, CLASSES, PROBABILITY
from components.tasks.change.reactiv import SERIES, Reactiv
from components.tasks.change.reactiv_composite import COMPOSITE
from components.tasks.change.reactiv_dating import WHEN, WHEN_BANDS
from components.tasks.change.samples import WholeChips
from components.tasks.change.series_network import SeriesNetwork
from components.tasks.change.series_options import DATED, SeriesName, SeriesOptions, series_options
from components.tasks.change.series_rivals import FirstAndLast, NothingHappened
from components.tasks.change.series_samples import SeriesCrops
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.params import RunParams
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Rows, Sample, Samples, Spec

RIVALS: tuple[SeriesName, ...] = ("log-ratio", "omnibus", "reactiv", "omnibus-dated")
MAPS = (
    OutputSpec(CHANGE, "classes", "class", (CHANGE,), CLASSES),
    OutputSpec(PROBABILITY, "continuous", "probability", (PROBABILITY,)),
)
HISTORY = (
    OutputSpec(WHEN, "continuous", "1", WHEN_BANDS),
    OutputSpec(ACTIVITY, "continuous", "1", ACTIVITY_BANDS),
    OutputSpec(EVENTS, "features", "1"),
)
PICTURE = OutputSpec(COMPOSITE, "continuous", "digital_number", ("red", "green", "blue"))


class SeriesKind:
    """A radar series on one grid; see `components.tasks.seam.Task` for the methods."""

    def spec(self, params: RunParams) -> Spec:
        """Input `series`; outputs `change` and `probability`; where dated `when`, `activity` and `events`.

        REACTIV adds `composite` and `background`.
        """
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
        outputs = (*MAPS, *HISTORY) if method.name in DATED else MAPS
        if method.name == "reactiv":
            ground = OutputSpec(BACKGROUND, "continuous", "amplitude", method.canonical_bands)
            outputs = (*outputs, PICTURE, ground)
        return Spec((series,), outputs, Metric("f1"))

    def prepare(self, sources: Sequence[Source], params: RunParams) -> Iterator[Chip]:
        """Chips of all dates with the targets `change`, `kind` and `span`."""
        return series_chips.cut(sources, prepare_options(params), series_options(params))

    def samples(self, prepared: Prepared, split: Split, params: RunParams) -> Samples:
        """Augmented crops for a network to train on, else whole chips."""
        method, ids = series_options(params), prepared.ids(split)
        if method.name == "statistics-network" and split == "train":
            return SeriesCrops(prepared, ids, method, params.seed)
        return WholeChips(prepared, ids)

    def methods(self, params: RunParams) -> Methods:
        """The candidate, every classical method on series that it is not itself, and the control."""
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
    bands, looks, rate, history = options.canonical_bands, options.looks, options.rate_of(name), options.history
    if name == "statistics-network":
        return SeriesNetwork(options)
    if name == "omnibus-dated":
        return DatedOmnibus(bands, looks, rate, history)
    if name == "omnibus":
        return Omnibus(bands, looks, rate, needs_survey=looks is None)
    if name == "log-ratio":
        return FirstAndLast.of(bands, options.window_px)
    return Reactiv(
        bands,
        looks,
        rate,
        season=history.season,
        season_optional=history.season_optional,
        least_days=history.least_days,
        least_px=history.least_px,
    )
