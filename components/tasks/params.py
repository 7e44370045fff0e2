"""One YAML file a run: typed, strict, and naming file and key where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.errors import BadParams

T = TypeVar("T", bound="Params")


class Params(BaseModel):
    """A frozen settings model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Fold:
    """One division of places: disjoint names for training, validation and test."""

    name: str
    train: frozenset[str]
    val: frozenset[str]
    test: frozenset[str]


class PlaceSplit(Params):
    """Fixed places for each split."""

    kind: Literal["places"] = "places"
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    guard_m: float = Field(0.0, ge=0, description="least distance on the ground between splits")

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        names = [*self.train, *self.val, *self.test]
        if len(set(names)) != len(names):
            raise ValueError("a place stands in more than one split")
        return self

    def folds(self) -> tuple[Fold, ...]:
        """The one fold that this split is."""
        return (Fold("fixed", frozenset(self.train), frozenset(self.val), frozenset(self.test)),)


class CrossValidation(Params):
    """Groups of places; each group is the test once, the next one the validation.

    Places that touch belong into one group. The released weights are trained on all groups.
    """

    kind: Literal["folds"] = "folds"
    groups: tuple[tuple[str, ...], ...] = Field(min_length=3)
    guard_m: float = Field(0.0, ge=0, description="least distance on the ground between splits")

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        names = [place for group in self.groups for place in group]
        if len(set(names)) != len(names):
            raise ValueError("a place stands in more than one group")
        return self

    def folds(self) -> tuple[Fold, ...]:
        """One fold a group."""
        count = len(self.groups)
        return tuple(
            Fold(
                f"fold-{index}",
                train=frozenset(
                    place
                    for other, group in enumerate(self.groups)
                    if other not in (index, (index + 1) % count)
                    for place in group
                ),
                val=frozenset(self.groups[(index + 1) % count]),
                test=frozenset(self.groups[index]),
            )
            for index in range(count)
        )


class TrainParams(Params):
    """How a network is trained. A step is one batch; an epoch is `steps_per_epoch` steps."""

    epochs: int = Field(20, ge=1)
    steps_per_epoch: int = Field(20, ge=1)
    batch: int = Field(32, ge=1)
    lr: float = Field(1e-3, gt=0)
    lr_decay: float = Field(0.95, gt=0, le=1, description="factor on the learning rate after each epoch")
    weight_decay: float = Field(1e-4, ge=0)
    patience: int = Field(8, ge=1, description="epochs without a better validation score before training ends")
    clip_norm: float = Field(5.0, gt=0)
    threads: int = Field(2, ge=1, description="CPU threads: 1 and 2 give different weights in the last bits")
    devices: int = Field(1, ge=1)
    num_nodes: int = Field(1, ge=1)
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "auto"] = "auto"
    balance: Literal["sum", "gradnorm"] = Field("sum", description="how named losses become one")
    gradnorm_alpha: float = Field(1.5, ge=0, description="how strongly GradNorm pulls training rates together")


class LimitParams(Params):
    """What the gate demands. Floors are by score name; budgets are of one megapixel on the gate's machine."""

    floors: Mapping[str, float] = Field(default_factory=dict)
    max_ece: float | None = Field(None, gt=0, le=1)
    max_seconds_per_megapixel: float | None = Field(None, gt=0)
    max_peak_memory_mb: float | None = Field(None, gt=0)
    min_units: int = Field(8, ge=2, description="bootstrap units below which there is not enough evidence")
    max_drop_per_region: float | None = Field(None, ge=0, description="largest loss against the champion in one unit")


class EvaluationParams(Params):
    """How scores are estimated."""

    resamples: int = Field(2000, ge=100)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    tile_px: int = Field(512, ge=64)
    limits: LimitParams = LimitParams()


class RunParams(Params):
    """Task + method + dataset + how: everything that defines a run."""

    task: str
    dataset: str
    description: str
    seed: int = 0
    split: Annotated[PlaceSplit | CrossValidation, Field(discriminator="kind")]
    prepare: Mapping[str, Any] = Field(default_factory=dict, description="read by the task")
    method: Mapping[str, Any] = Field(default_factory=dict, description="read by the task")
    training: TrainParams = TrainParams()
    evaluation: EvaluationParams = EvaluationParams()


def read_params(path: Path) -> RunParams:
    """The parameters of a run from its YAML file.

    Raises:
        BadParams: names the file, the key and the problem.
    """
    try:
        return RunParams.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise BadParams(path, str(error)) from error
    except ValidationError as error:
        raise BadParams(path, first_problem(error)) from error


def options(model: type[T], values: Mapping[str, Any], where: object) -> T:
    """A task's own section of the parameters (`prepare`, `method`) as its typed model.

    Raises:
        BadParams: names the key and the problem.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise BadParams(where, first_problem(error)) from error


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation error as `key: what is wrong`."""
    detail = error.errors()[0]
    return f"{'.'.join(str(part) for part in detail['loc']) or 'file'}: {detail['msg']}"
