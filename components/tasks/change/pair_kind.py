"""Pairs: two dates in, a change map and its probability out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.inference.method import Method, Outputs
from components.pictures.picture import Picture
from components.raster.dataset import Source
from components.tasks.change import chips, drawing, scoring
from components.tasks.change.baselines import applicable, classical
from components.tasks.change.networks import network_of
from components.tasks.change.options import MethodOptions, method_options, prepare_options
from components.tasks.change.pair import AFTER, BEFORE, CHANGE, CLASSES, PROBABILITY
from components.tasks.change.samples import samples_of
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.params import RunParams
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Rows, Sample, Samples, Spec


class PairKind:
    """Two scenes of one place on one grid; see `components.tasks.seam.Task` for the methods."""

    def spec(self, params: RunParams) -> Spec:
        """Inputs `before` and `after`, outputs `change` and `probability`."""
        method = method_options(params)
        inputs = tuple(
            InputSpec(
                name,
                method.sensor,
                method.canonical_bands,
                method.unit,
                pixel_size_m=method.pixel_size_m,
                needs_crs=method.needs_crs,
            )
            for name in (BEFORE, AFTER)
        )
        outputs = (
            OutputSpec(CHANGE, "classes", "class", (CHANGE,), CLASSES),
            OutputSpec(PROBABILITY, "continuous", "probability", (PROBABILITY,)),
        )
        return Spec(inputs, outputs, Metric("f1"))

    def prepare(self, sources: Sequence[Source], params: RunParams) -> Iterator[Chip]:
        """Chips of both dates with the targets `change` and `kind`."""
        return chips.cut(sources, prepare_options(params), method_options(params))

    def samples(self, prepared: Prepared, split: Split, params: RunParams) -> Samples:
        """Augmented crops to train on, whole chips to be scored on."""
        return samples_of(prepared, split, method_options(params), params.seed)

    def methods(self, params: RunParams) -> Methods:
        """The candidate, every baseline that the bands allow, and the control that calls nothing changed."""
        method = method_options(params)
        baselines: dict[str, Method] = {
            name: classical(name, method) for name in applicable(method) if name != method.name
        }
        controls = {"all-unchanged": classical("all-unchanged", method)}
        return Methods(_candidate(method), baselines, controls)

    def measure(self, sample: Sample, output: Outputs) -> Rows:
        """Counts of the change class, see `scoring.measure`."""
        return scoring.measure(sample, output)

    def draw(self, sample: Sample, output: Outputs) -> Picture:
        """Before, after, truth, and the answer with hits, false alarms and misses."""
        return drawing.draw(sample, output)


def _candidate(method: MethodOptions) -> Method:
    if method.name in ("all-unchanged", "cva-otsu", "pca-kmeans", "dnbr-otsu"):
        return classical(method.name, method)
    return network_of(method)
