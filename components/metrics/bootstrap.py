"""Paired block bootstrap: intervals of scores and of their differences over units (places, scenes, blocks).

Pixels of one place are not independent evidence, so whole units are drawn with replacement and every score is
computed anew from the rows of the drawn units. Two methods are compared on the same draws: what makes a place
hard makes it hard for both, and drops out of the difference.

Efron and Tibshirani 1993, chapters 8 and 13 (blocks, percentile interval). With few units the percentile
interval is too narrow; its level is widened as in Hesterberg 2015 (expanded percentile,
https://doi.org/10.1080/00031305.2015.1089789), which covers the truth in 94 % of cases with 8 units where
the plain one covers 88 % (measured on means of normal values).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from components.errors import NotEnoughData

Goal = Literal["max", "min"]


class UnitRow(Protocol):
    """A piece of evidence that knows its unit."""

    @property
    def unit(self) -> str:
        """Name of the bootstrap unit."""
        ...


R = TypeVar("R", bound=UnitRow)
Summarise = Callable[[Sequence[R]], Mapping[str, float | None]]


@dataclass(frozen=True)
class BootstrapParams:
    """How often units are drawn, the level of the intervals and the seed of the draws."""

    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Interval:
    """A value with its interval; None where undefined. ``undefined`` of ``resamples`` draws defined no value."""

    value: float | None
    low: float | None
    high: float | None
    undefined: int = 0
    resamples: int = 0

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "undefined" if self.value is None else f"{self.value:.3f} [no interval]"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def undefined_fraction(self) -> float:
        """Share of draws that defined no value."""
        return self.undefined / self.resamples if self.resamples else 0.0


@dataclass(frozen=True)
class Resampled:
    """Scores of one method on all units and on every draw: ``draws[name]`` is ``(resamples,)``, NaN undefined."""

    units: tuple[str, ...]
    scores: Mapping[str, float | None]
    draws: Mapping[str, NDArray[np.float64]]
    settings: BootstrapParams

    def interval(self, metric: str) -> Interval:
        """The score with its percentile interval; undefined draws are counted and left out."""
        return _interval(self.scores.get(metric), self._draws(metric), len(self.units), self.settings)

    def gain_over(self, other: Resampled, metric: str, goal: Goal = "max") -> Interval:
        """How much better these scores are than the other ones on the same draws; negative where worse.

        Raises:
            ValueError: if the two were not resampled from the same units in the same way.
        """
        if self.units != other.units or self.settings != other.settings:
            raise ValueError(f"not paired: {self.units} with {self.settings}, {other.units} with {other.settings}")
        sign = 1.0 if goal == "max" else -1.0
        mine, theirs = self.scores.get(metric), other.scores.get(metric)
        value = None if mine is None or theirs is None else sign * (mine - theirs)
        draws = sign * (self._draws(metric) - other._draws(metric))
        return _interval(value, draws, len(self.units), self.settings)

    def _draws(self, metric: str) -> NDArray[np.float64]:
        return self.draws.get(metric, np.full(self.settings.resamples, np.nan))


def by_unit(rows: Sequence[R]) -> dict[str, list[R]]:
    """Rows by unit, units in alphabetical order."""
    units: dict[str, list[R]] = {name: [] for name in sorted({row.unit for row in rows})}
    for row in rows:
        units[row.unit].append(row)
    return units


def resample_units(units: int, settings: BootstrapParams) -> NDArray[np.int64]:
    """Unit numbers drawn with replacement, ``(resamples, units)``; the same seed draws the same ones."""
    generator = np.random.default_rng(settings.seed)
    return generator.integers(0, units, size=(settings.resamples, units))


def resample(rows: Sequence[R], summarise: Summarise[R], settings: BootstrapParams | None = None) -> Resampled:
    """All scores of all draws of units; the same units are drawn for every method that has the same units.

    Raises:
        NotEnoughData: if there is no row.
    """
    if not rows:
        raise NotEnoughData("no row to resample: the test split holds nothing that can be scored")
    settings = settings or BootstrapParams()
    groups = by_unit(rows)
    blocks = list(groups.values())
    scores = dict(summarise(list(rows)))
    draws = {name: np.full(settings.resamples, np.nan) for name in scores}
    for number, drawn in enumerate(resample_units(len(blocks), settings)):
        for name, value in summarise([row for unit in drawn for row in blocks[unit]]).items():
            if value is not None:
                draws[name][number] = value
    return Resampled(tuple(groups), scores, draws, settings)


def interval(
    rows: Sequence[R], summarise: Summarise[R], metric: str, settings: BootstrapParams | None = None
) -> Interval:
    """One score of rows with its block-bootstrap interval.

    Raises:
        NotEnoughData: if there is no row.
    """
    return resample(rows, summarise, settings).interval(metric)


def paired_difference(
    candidate: Sequence[R],
    baseline: Sequence[R],
    summarise: Summarise[R],
    metric: str,
    goal: Goal = "max",
    settings: BootstrapParams | None = None,
) -> Interval:
    """How much better the candidate is, with the interval over draws that both share.

    Raises:
        NotEnoughData: if one of them has no row.
        ValueError: if their units differ.
    """
    left, right = resample(candidate, summarise, settings), resample(baseline, summarise, settings)
    return left.gain_over(right, metric, goal)


def _interval(value: float | None, draws: NDArray[np.float64], units: int, settings: BootstrapParams) -> Interval:
    defined = draws[np.isfinite(draws)]
    undefined = len(draws) - len(defined)
    if value is None or units < 2 or not len(defined):
        return Interval(value, None, None, undefined, len(draws))
    tail = _tail(units, settings.confidence)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(value, float(low), float(high), undefined, len(draws))


def _tail(units: int, confidence: float) -> float:
    """Share of draws left out on each side; smaller than (1 - confidence) / 2 where units are few."""
    wide = t.ppf((1 - confidence) / 2, units - 1) * np.sqrt(units / (units - 1))
    return float(norm.cdf(wide))
