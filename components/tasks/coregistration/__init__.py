"""Co-registration of two scenes of one place, also of two sensors: a dense flow and its confidence. See CARD.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.inference.method import Method, Outputs
from components.pictures.picture import Picture
from components.raster.dataset import Source
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.coregistration import chips, drawing, scoring
from components.tasks.coregistration.candidates import network_of
from components.tasks.coregistration.classical import CLASSICAL, classical
from components.tasks.coregistration.options import MethodOptions, SensorOptions, method_options, prepare_options
from components.tasks.coregistration.pair import CONFIDENCE, FLOW, FLOW_BANDS, MOVING, REFERENCE, REGISTERED
from components.tasks.coregistration.samples import samples_of
from components.tasks.params import RunParams
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Rows, Sample, Samples, Scores, Spec


class CoregistrationTask:
    """Reference and moving scene in; the registered scene, the flow and its confidence out; decided by the mean EPE."""

    def spec(self, params: RunParams) -> Spec:
        """Inputs `reference` and `moving`, outputs `registered`, `flow` and `confidence`.

        A moving scene on another grid is brought onto that of the reference first, bilinearly.
        """
        method = method_options(params)
        outputs = (
            OutputSpec(REGISTERED, "continuous", method.moving.unit, method.moving.canonical_bands),
            OutputSpec(FLOW, "continuous", "px", FLOW_BANDS),
            OutputSpec(CONFIDENCE, "continuous", "probability", (CONFIDENCE,)),
        )
        inputs = (_input(REFERENCE, method.reference, method), _input(MOVING, method.moving, method))
        return Spec(inputs, outputs, Metric("epe", "min"))

    def prepare(self, sources: Sequence[Source], params: RunParams) -> Iterator[Chip]:
        """Chips of aligned scenes (with the height of the ground, if known), or of displaced ones with their flow."""
        return chips.cut(sources, prepare_options(params), method_options(params))

    def samples(self, prepared: Prepared, split: Split, params: RunParams) -> Samples:
        """Freshly deformed crops to train on, whole chips with a fixed deformation to be scored on."""
        return samples_of(prepared, split, method_options(params), params.seed)

    def methods(self, params: RunParams) -> Methods:
        """The candidate, the classical methods, and the control that moves nothing."""
        method = method_options(params)
        classics: dict[str, Method] = {name: classical(name, method) for name in CLASSICAL}
        candidate = classics.pop(method.name) if method.name in classics else network_of(method)
        controls = {"zero-flow": classics.pop("zero-flow")} if "zero-flow" in classics else {}
        return Methods(candidate, classics, controls)

    def measure(self, sample: Sample, output: Outputs) -> Rows:
        """End-point errors and how far the confidence can be trusted, see `scoring.measure`."""
        return scoring.measure(sample, output)

    def summarise(self, rows: Rows) -> Scores:
        """Pooled scores, see `scoring.summarise`."""
        return scoring.summarise(rows)

    def draw(self, sample: Sample, output: Outputs) -> Picture:
        """Mosaics before and after, the flow, its confidence and its error."""
        return drawing.draw(sample, output)


def _input(name: str, sensor: SensorOptions, method: MethodOptions) -> InputSpec:
    return InputSpec(
        name,
        sensor.sensor,
        sensor.canonical_bands,
        sensor.unit,
        pixel_size_m=method.pixel_size_m,
        needs_crs=method.needs_crs,
        resampling="bilinear" if name == MOVING else None,
    )


TASK = CoregistrationTask()
