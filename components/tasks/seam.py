"""What the platform needs to know of a task, and no more: the one thing all tasks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, runtime_checkable

from numpy.typing import NDArray
from torch import Tensor, nn

from components.inference.method import Method, Outputs
from components.pictures.picture import Picture
from components.raster.align import Resampling
from components.raster.dataset import Source
from components.raster.scene import Class, Unit, Value
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.params import RunParams

State = Mapping[str, NDArray[Any]]  # every learnt number of a method, by name
Batch = Mapping[str, Any]  # tensors, or lists of tensors where samples are ragged


@dataclass(frozen=True)
class InputSpec:
    """One named input: what a caller must bring. `None` for pixel size or CRS: anything goes.

    ``resampling`` says how the input is brought onto the grid of the first where it lies on another one; `None`: it
    must lie on that grid.
    """

    name: str
    sensor: str
    bands: tuple[str, ...]
    unit: Unit
    kind: Literal["scene", "stack", "features"] = "scene"
    pixel_size_m: tuple[float, float] | None = None  # smallest, largest edge of a pixel
    needs_crs: bool = False
    resampling: Literal["nearest", "bilinear", "cubic"] | None = None


@dataclass(frozen=True)
class OutputSpec:
    """One named output: a class map, a continuous raster, a flow field or features."""

    name: str
    kind: Literal["classes", "continuous", "features"]
    unit: Unit
    bands: tuple[str, ...] = ()
    classes: tuple[Class, ...] = ()


@dataclass(frozen=True)
class Metric:
    """The number that decides, and in which direction it is better."""

    name: str
    goal: Literal["max", "min"] = "max"

    def gain(self, new: float, old: float) -> float:
        """How much better ``new`` is than ``old``; negative where it is worse."""
        return new - old if self.goal == "max" else old - new


@dataclass(frozen=True)
class Spec:
    """Inputs, outputs and deciding metric of one run. The first output is what an endpoint answers by default."""

    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    primary: Metric

    @property
    def resampling(self) -> dict[str, Resampling]:
        """How inputs on another grid are brought onto that of the first, by name of the input."""
        return {each.name: Resampling[each.resampling] for each in self.inputs if each.resampling}


@dataclass(frozen=True)
class Sample:
    """What a method is trained or scored on: inputs by name, targets by name (none where there is no truth).

    ``unit`` is the bootstrap unit (place, scene, city): pixels of one unit are never independent evidence.
    """

    id: str
    unit: str
    inputs: Mapping[str, Value]
    targets: Mapping[str, Value] = field(default_factory=dict)


class Samples(Protocol):
    """A finite, indexable set of samples (a torch map-style dataset).

    An item is a pure function of its index, read from any thread: random crops and flips come from
    ``np.random.default_rng((seed, index))``, never from global generators, and a training set that augments
    is as long as the number of different draws it offers. So a resumed training sees what it would have seen.
    """

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True)
class Row:
    """What one output contributes to the scores: numbers, or number lists that are pooled (detections).

    ``unit`` names the bootstrap unit; several rows of one unit are resampled together.
    """

    unit: str
    values: Mapping[str, float | tuple[float, ...]]


Rows = Sequence[Row]
Scores = Mapping[str, float | None]  # None: undefined, for example a class that the truth does not hold


@runtime_checkable
class Restorable(Method, Protocol):
    """A method with learnt numbers: they are arrays, never pickles, and it can be rebuilt from them."""

    def restored(self, state: State, preprocessing: Mapping[str, Any]) -> Self:
        """The method with learnt numbers and the preprocessing that they were learnt with.

        Raises:
            VersionCorrupt: if a name, shape or dtype is not the expected one.
        """
        ...


@runtime_checkable
class Fitted(Restorable, Protocol):
    """Fitted once on training samples: random forest, SVM, RX."""

    def fit(self, train: Samples, val: Samples) -> tuple[State, Mapping[str, Any]]:
        """Learnt arrays and the preprocessing (JSON).

        For released weights ``val`` holds the same places as ``train``.
        """
        ...


@runtime_checkable
class Network(Restorable, Protocol):
    """Trained step by step with gradients.

    The loop moves ``module`` to its device, in training or evaluation mode; ``predict`` takes both as they are
    and brings its tensors to the device of the module. ``restored`` leaves the module in evaluation mode.
    """

    module: nn.Module

    def prepared_for(self, train: Samples) -> Self:
        """The network with its preprocessing (statistics of training pixels only) set."""
        ...

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """The preprocessing as JSON: the same in training, evaluation and service; empty before it is set."""
        ...

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Preprocessed tensors of several samples; lists where they are ragged."""
        ...

    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Named losses of a batch, each a scalar; a balance weighs them."""
        ...


@runtime_checkable
class MultiTask(Network, Protocol):
    """A network whose losses can be balanced by their gradients (GradNorm)."""

    def shared_layer(self, module: nn.Module) -> nn.Module:
        """The last layer that all losses share."""
        ...


@dataclass(frozen=True)
class Methods:
    """The candidate, the baselines that it must beat, and controls that are only reported."""

    candidate: Method
    baselines: Mapping[str, Method]
    controls: Mapping[str, Method] = field(default_factory=dict)

    def named(self) -> dict[str, Method]:
        """All of them by name, the candidate as `candidate`."""
        return {"candidate": self.candidate, **self.baselines, **self.controls}


class Task(Protocol):
    """What the platform needs to know of one task; stages, flows and serving know no more."""

    def spec(self, params: RunParams) -> Spec:
        """Inputs, outputs and deciding metric of a run."""
        ...

    def prepare(self, sources: Sequence[Source], params: RunParams) -> Iterator[Chip]:
        """Chips with their targets, cut from ingested sources."""
        ...

    def samples(self, prepared: Prepared, split: Split, params: RunParams) -> Samples:
        """Samples of one split: augmented crops for `train`, whole chips for `val` and `test`."""
        ...

    def methods(self, params: RunParams) -> Methods:
        """The candidate (untrained) and what it is compared with."""
        ...

    def measure(self, sample: Sample, output: Outputs) -> Rows:
        """What one output contributes to the scores."""
        ...

    def summarise(self, rows: Rows) -> Scores:
        """Scores of pooled rows; applied again to every bootstrap resample."""
        ...

    def draw(self, sample: Sample, output: Outputs) -> Picture:
        """The sample and the output as a person wants to see them."""
        ...
