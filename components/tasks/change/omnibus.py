"""Omnibus test: do all dates have one reflectivity? And if not, which date is the first that differs?

Conradsen, Nielsen and Skriver, IEEE TGRS 54(5), 2016, in the case of intensities: single polarisation, or several
whose covariance matrix is taken as diagonal, so that their statistics add up. For Gamma intensities this is
Bartlett's test of 1937 with twice the looks as degrees of freedom.

Departure from the paper: its expansion for many looks calls two to three times too many stable pixels changed at one
look and 120 dates, so the statistic is referred to the chi-square distribution, stretched, that has its exact mean
and variance. From four looks on both agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import chi2

from components.inference.method import Outputs
from components.raster.scene import Stack, Value
from components.tasks.change.pair import Ground, answer
from components.tasks.change.reactiv import estimated_looks, require_dates, series_of
from components.tasks.change.series import amplitudes, moments, shown_amplitudes
from components.tasks.change.series_history import Alarms, History

Float = NDArray[np.float64]
ROWS = 64  # rows of a stack that are worked on at a time


class Homogeneity(NamedTuple):
    """``(row, col)``: probability that a stable pixel looks as unequal, NaN where fewer than two dates are seen.

    ``first`` is the index of the first date that differs from those before it, at the test's level; -1 for none.
    """

    p_value: NDArray[np.float32]
    first: NDArray[np.int32]


@dataclass(frozen=True)
class Omnibus:
    """Changed where the series of ``bands`` is not of one reflectivity, at a rate of false alarms.

    ``looks`` None: estimated by the survey, which is then needed.
    """

    bands: tuple[str, ...]
    looks: tuple[float, ...] | None
    false_alarms: float = 0.01
    halo_px: int | None = 0
    needs_survey: bool = False

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the looks of the series where they are not given."""
        if self.looks is not None:
            return self
        return replace(self, looks=estimated_looks(moments(series_of(scenes, self.bands))))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Outputs `change` and `probability`: 1 less the p-value, which is no posterior."""
        if self.looks is None:
            return self.survey(scenes).predict(scenes)
        stack = series_of(scenes, self.bands)
        require_dates(stack, 2)
        p_value = stability(stack, self.looks)
        seen = np.isfinite(p_value)
        ground = Ground(stack.grid, seen, stack.dates[-1])
        return answer(ground, seen & (p_value < self.false_alarms), 1 - p_value)


@dataclass(frozen=True)
class DatedOmnibus:
    """Change, its certainty, its dates and its events: alarms of the omnibus test, masked and dated by ``history``.

    ``looks`` None: estimated by the survey. A pixel needs two dates in a band for an alarm of that band.
    """

    bands: tuple[str, ...]
    looks: tuple[float, ...] | None = None
    false_alarms: float = 0.01
    history: History = field(default_factory=History)
    halo_px: int | None = 0

    @property
    def needs_survey(self) -> bool:
        """Only where looks must be estimated."""
        return self.looks is None

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the looks of the series where they are not given; one that is too short is refused as such."""
        if self.looks is not None:
            return self
        stack = series_of(scenes, self.bands)
        require_dates(stack)
        return replace(self, looks=estimated_looks(moments(stack)))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Outputs `change`, `probability` (1 less the p-value, which is no posterior), `when`, `activity`, `events`."""
        if self.looks is None:
            return self.survey(scenes).predict(scenes)
        stack = series_of(scenes, self.bands)
        require_dates(stack)
        p_value = stability(stack, self.looks)
        seen = np.isfinite(p_value)
        alarms = Alarms(seen, seen & (p_value < self.false_alarms), 1 - p_value)
        return self.history.told(stack, alarms, self.looks)


def omnibus(stack: Stack, looks: tuple[float, ...], false_alarms: float = 0.01) -> Homogeneity:
    """The test at each pixel, over the dates that show it; ``looks`` has one number a band.

    Raises:
        UnitMismatch: if the stack is no radar image.
    """
    parts = []
    for row in range(0, stack.grid.shape[0], ROWS):
        amplitude = amplitudes(stack.array[:, :, row : row + ROWS], stack.unit, stack.nodata)
        parts.append(_tested(np.square(amplitude.astype(np.float64)), looks, false_alarms))
    return Homogeneity(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def stability(stack: Stack, looks: tuple[float, ...]) -> NDArray[np.float32]:
    """``p_value`` of `omnibus` alone ``(row, col)``: a fraction of the time, because no date is told from those before.

    Raises:
        UnitMismatch: if the stack is no radar image.
    """
    n = np.array(looks, dtype=np.float64)[:, None, None]
    parts = []
    for row in range(0, stack.grid.shape[0], ROWS):
        own = stack.array[:, :, row : row + ROWS]
        count, total, logs = np.zeros(own.shape[1:], np.intp), np.zeros(own.shape[1:]), np.zeros(own.shape[1:])
        for date in own:
            amplitude, seen = shown_amplitudes(date, stack.unit, stack.nodata)
            count += seen
            total += np.square(amplitude, dtype=np.float64)
            logs += 2 * np.log(amplitude if seen.all() else np.where(seen, amplitude, np.float32(1)))
        parts.append(_p_value(n, count, total, logs).astype(np.float32))
    return np.concatenate(parts)


def _tested(intensity: Float, looks: tuple[float, ...], false_alarms: float) -> Homogeneity:
    """Of ``(time, band, row, col)``: all dates at once, then each date against all before it."""
    shape = intensity.shape[1:]
    n = np.array(looks, dtype=np.float64)[:, None, None]
    count, total, logs = np.zeros(shape, np.intp), np.zeros(shape), np.zeros(shape)
    first = np.full(shape[1:], -1, np.int32)
    # By degrees of freedom; without any there is nothing to exceed.
    limits = np.concatenate([[np.inf], chi2.isf(false_alarms, np.arange(1, len(looks) + 1))])
    for date, own in enumerate(intensity):
        seen = np.isfinite(own)
        now = np.where(seen, own, 1.0)
        usable = seen & (count > 0)
        statistic = np.where(usable, _step(n, count, total, now), 0).sum(axis=0)
        first[(statistic > limits[usable.sum(axis=0)]) & (first < 0)] = date
        count += seen
        total += np.where(seen, own, 0)
        logs += np.log(now)
    p_value = _p_value(n, count, total, logs)
    first[~(p_value < false_alarms)] = -1
    return Homogeneity(p_value.astype(np.float32), first)


def _step(n: Float, before: NDArray[np.intp], total: Float, now: Float) -> Float:
    """-2 rho ln R of one date against ``before`` earlier ones of sum ``total``, about chi-square with one degree."""
    j = before + 1
    safe = np.maximum(before, 1)
    log_r = n * (j * np.log(j) - before * np.log(safe) + before * np.log(np.maximum(total, 1e-300)) + np.log(now))
    log_r -= n * j * np.log(total + now)
    rho = 1 - (1 + 1 / (j * np.maximum(j - 1, 1))) / (6 * n)
    return np.asarray(-2 * rho * log_r)


def _p_value(n: Float, count: NDArray[np.intp], total: Float, logs: Float) -> Float:
    """Of -2 ln Q summed over the bands; NaN without two dates."""
    usable = count >= 2
    k = np.where(usable, count, 2)
    log_q = n * (k * np.log(k) + logs - k * np.log(np.maximum(total, 1e-300)))
    moments = [_moments(float(looks), int(k.max())) for looks in n.ravel()]
    mean, variance = (np.stack([each[which][own] for each, own in zip(moments, k, strict=True)]) for which in (0, 1))
    statistic, mean, variance = (np.where(usable, each, 0).sum(axis=0) for each in (-2 * log_q, mean, variance))
    known = usable.any(axis=0)
    scale = np.where(known, variance, 2) / np.where(known, 2 * mean, 2)
    degrees = np.where(known, mean, 1) / scale
    return np.where(known, chi2.sf(statistic / scale, degrees), np.nan)


def _moments(looks: float, dates: int) -> tuple[Float, Float]:
    """Mean and variance of -2 ln Q of a stable pixel, by its number of dates; those of 0 and 1 mean nothing.

    Exact: the shares that the dates have of their sum are independent of the sum.
    """
    k = np.maximum(np.arange(dates + 1), 1)
    mean = -2 * looks * k * (np.log(k) + digamma(looks) - digamma(looks * k))
    variance = 4 * looks**2 * (k * polygamma(1, looks) - k**2 * polygamma(1, looks * k))
    return mean, variance
