"""Despeckling of radar scenes, learnt from time series without ground truth. See CARD.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.inference.method import Method, Outputs
from components.pictures.picture import Picture
from components.raster.dataset import Source
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.despeckling import chips, drawing, scoring
from components.tasks.despeckling.classical import FILTERS, SceneFilter
from components.tasks.despeckling.networks import DespecklingNetwork
from components.tasks.despeckling.options import method_options, prepare_options
from components.tasks.despeckling.pooling import PRIMARY
from components.tasks.despeckling.samples import samples_of
from components.tasks.despeckling.scenes import FILTERED, NOISY, RATIO
from components.tasks.params import RunParams
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Rows, Sample, Samples, Scores, Spec

CONTROL = "unfiltered"


class DespecklingTask:
    """A noisy scene in, its reflectivity and what was taken away out; decided by PSNR."""

    def spec(self, params: RunParams) -> Spec:
        """Input `noisy`, outputs `filtered` (intensity) and `ratio` (noisy over filtered)."""
        method = method_options(params)
        bands = method.canonical_bands
        noisy = InputSpec(
            NOISY, method.sensor, bands, method.unit, pixel_size_m=method.pixel_size_m, needs_crs=method.needs_crs
        )
        outputs = (OutputSpec(FILTERED, "continuous", "intensity", bands), OutputSpec(RATIO, "continuous", "1", bands))
        return Spec((noisy,), outputs, Metric(PRIMARY, "max"))

    def prepare(self, sources: Sequence[Source], params: RunParams) -> Iterator[Chip]:
        """Chips that hold all dates of a place, and the last date without speckle where it is known."""
        return chips.cut(sources, prepare_options(params), method_options(params))

    def samples(self, prepared: Prepared, split: Split, params: RunParams) -> Samples:
        """Pairs of dates to learn from, the last date of each chip to be scored on."""
        return samples_of(prepared, split, method_options(params), params.seed)

    def methods(self, params: RunParams) -> Methods:
        """The candidate, the classical filters, and the control that filters nothing."""
        method = method_options(params)
        filters: dict[str, Method] = {name: SceneFilter(method, each) for name, each in FILTERS.items()}
        candidate = filters.pop(method.name) if method.name in filters else DespecklingNetwork(method)
        controls = {CONTROL: filters.pop(CONTROL)} if CONTROL in filters else {}
        return Methods(candidate, filters, controls)

    def measure(self, sample: Sample, output: Outputs) -> Rows:
        """PSNR, SSIM and what the ratio scatters, see `scoring.measure`."""
        return scoring.measure(sample, output)

    def summarise(self, rows: Rows) -> Scores:
        """Pooled scores, see `scoring.summarise`."""
        return scoring.summarise(rows)

    def draw(self, sample: Sample, output: Outputs) -> Picture:
        """The scene before and after, the truth, and the ratio."""
        return drawing.draw(sample, output)


TASK = DespecklingTask()
