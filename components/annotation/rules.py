"""The rules over a summary table, as `expectations.yaml` keeps them: readable, typed, strict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from components.annotation.agreement import Evidence
from components.annotation.noise_params import NoiseParams
from components.errors import BadParams, UnknownName
from components.tasks.params import Params, first_problem

# What a broken rule means: training stops; no training learns from the row; a person looks at the row.
Severity = Literal["block", "quarantine", "warn"]
Level = Literal["scene", "chip", "feature", "class", "place", "dataset", "all"]  # which rows of the table

FILE = "expectations.yaml"
SUITES = Path(__file__).parent / "suites"
NOISE_SUITE = "label-noise"


class Rule(Params):
    """One expectation: on which rows, how bad its failure is, and what to do about it."""

    name: str
    expect: str = Field(pattern="^expect_", description="type of the expectation, as Great Expectations names it")
    rows: Level = "scene"
    severity: Severity
    by_eye: bool = Field(False, description="a person who has looked at the label since settles it, see `settled.py`")
    remedy: str
    kwargs: Mapping[str, Any] = Field(default_factory=dict, description="column and limits")


class TableParams(Params):
    """What the summary table is made of.

    A `change-pair` has two dates and a label; a `labelled-image` one date and a class map; an `aligned-pair` has two
    sensors' view of one ground; a `series` has many dates of one radar; `vectors` are features on an image.
    """

    kind: Literal["change-pair", "labelled-image", "aligned-pair", "series", "vectors"] = "change-pair"
    image: str = Field("image", description="role of the image of a labelled-image")
    before: str = "before"
    after: str = "after"
    label: str = "mask"
    annotators: tuple[str, ...] = Field((), description="label roles of several annotators of the same place")
    geometry: Literal["fix", "reject"] = Field("reject", description="what becomes of features with faults")
    date_prefix: str = Field("date-", description="roles of the dates of a series begin with it")
    unchanged: int = Field(0, description="class code that means no change")
    evidence: Evidence = "magnitude"
    window_px: int = Field(128, ge=32, description="edge of the chips that get a row of their own")


class Expectations(Params):
    """The quality suite of a dataset: a shared suite, and rules of its own that replace shared ones by name."""

    suite: str = Field("change-pair", description="a file of components/annotation/suites")
    table: TableParams = TableParams()
    rules: tuple[Rule, ...] = ()
    without: tuple[str, ...] = Field((), description="shared rules that do not apply, each with a comment why")
    noise: NoiseParams | None = Field(None, description="how label noise is estimated; without it, it is not")
    max_left_out: float = Field(0.2, ge=0, le=1, description="largest share of the pixels that may be left out")

    def all_rules(self) -> tuple[Rule, ...]:
        """Shared and own rules in a stable order.

        Raises:
            UnknownName: if there is no such suite, or `without` names no rule of it.
            BadParams: if two rules ask the same of the same rows.
        """
        suites = (self.suite, *((NOISE_SUITE,) if self.noise else ()))
        shared = {rule.name: rule for suite in suites for rule in _shared(suite)}
        for name in self.without:
            if name not in shared:
                raise UnknownName("shared rule", name, shared)
        own = {rule.name: rule for rule in self.rules}
        found = tuple({**{n: r for n, r in shared.items() if n not in self.without}, **own}.values())
        asked: dict[str, str] = {}
        for rule in found:  # Great Expectations would answer one of them only
            question = json.dumps([rule.expect, rule.rows, rule.kwargs], sort_keys=True, default=str)
            if asked.setdefault(question, rule.name) != rule.name:
                raise BadParams(f"rules {asked[question]} and {rule.name}", "ask the same; leave one of them out")
        return found


class Suite(Params):
    """Rules that several datasets share."""

    rules: tuple[Rule, ...] = Field(min_length=1)


def read_expectations(dataset: Path) -> Expectations:
    """The suite of a dataset folder, from its `expectations.yaml`.

    Raises:
        BadParams: names the file, the key and the problem.
    """
    path = dataset / FILE
    try:
        return Expectations.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise BadParams(path, str(error)) from error
    except ValidationError as error:
        raise BadParams(path, first_problem(error)) from error


def _shared(name: str) -> tuple[Rule, ...]:
    path = SUITES / f"{name}.yaml"
    known = [each.stem for each in SUITES.glob("*.yaml")]
    if name not in known:
        raise UnknownName("suite", name, known)
    try:
        return Suite.model_validate(yaml.safe_load(path.read_text())).rules
    except ValidationError as error:
        raise BadParams(path, first_problem(error)) from error
