"""What the coefficient of variation is where nothing changes: by formula, and by simulation for few dates.

The amplitude of a stable pixel is Nakagami distributed with as many looks as the image has. Colin Koeniguer and
Nicolas, Remote Sensing 2020 (Change Detection Based on the Coefficient of Variation in SAR Time-Series); the rational
fit is that of the REACTIV scripts. A public version of those scripts lacks the square root of the deviation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
DRAWS = 300_000  # at a false-alarm rate of 1 % the rate of the threshold is good to 2 % (one deviation)
SEED = 20_190_614
LEAST_DATES = 5  # below, the coefficient of variation of a stable pixel says next to nothing
# Rates of false alarm at which thresholds are kept; others are interpolated in the logarithm of the rate.
RATES: Float = np.concatenate([np.geomspace(1e-4, 0.1, 61), np.linspace(0.11, 0.99, 89)])
_NUMERATOR = (0.991936, 0.067646, -0.098888, -0.048320)
_DENOMINATOR = (0.001224, -0.034323, 4.305577, -1.163498)


def cv_mean(looks: float) -> float:
    """The coefficient of variation of amplitude under ``looks`` looks, for infinitely many dates (0.2286 at 4.9)."""
    return sqrt(_ratio_2(looks) - 1)


def cv_deviation(looks: float, dates: int) -> float:
    """Standard deviation of the estimate from ``dates`` dates, by the delta method: 0.1616 / sqrt(dates) at 4.9."""
    ratio = _ratio_2(looks)  # L G(L)^2 / G(L + 1/2)^2; the paper's fraction divided by G(L + 1/2)^6
    variance = ratio**2 / looks * (4 * looks * (ratio - 1) - 1) / (ratio - 1) / 4
    return sqrt(variance / dates)


def looks_of(cv: ArrayLike) -> Float:
    """The number of looks under which a stable pixel has this coefficient of variation, to 5e-4 between 1 and 10."""
    value = np.asarray(cv, dtype=np.float64)
    return np.asarray(np.polyval(_NUMERATOR[::-1], value) / np.polyval(_DENOMINATOR[::-1], value))


@dataclass(frozen=True)
class Stable:
    """The coefficient of variation of stable pixels by the number of their dates: index 0 is no date.

    ``mean``, ``crest`` (see `crest`) and ``deviation`` are ``(dates + 1)``, ``quantiles`` ``(dates + 1, rate)`` what
    a share of ``RATES`` of stable pixels exceeds. NaN below `LEAST_DATES`, where nothing is said.
    """

    looks: float
    mean: Float
    crest: Float
    deviation: Float
    quantiles: Float

    def thresholds(self, false_alarms: float, channels: int = 1) -> Float:
        """``(dates + 1)``: a stable pixel exceeds it in any of ``channels`` polarisations at the rate wanted.

        The speckle of the polarisations is taken as independent; where it is not, there are fewer alarms.

        Raises:
            ValueError: if the rate for one channel is outside the simulated range.
        """
        rate = 1 - (1 - false_alarms) ** (1 / channels)
        if not RATES[0] <= rate <= RATES[-1]:
            raise ValueError(f"a false-alarm rate of {false_alarms} is outside {RATES[0]:.0e} and {RATES[-1]}")
        upper = int(np.clip(np.searchsorted(RATES, rate), 1, len(RATES) - 1))
        low, high = np.log(RATES[upper - 1 : upper + 1])
        share = (np.log(rate) - low) / (high - low)
        return np.asarray((1 - share) * self.quantiles[:, upper - 1] + share * self.quantiles[:, upper])


@lru_cache(maxsize=32)
def stable(looks: float, dates: int, draws: int = DRAWS) -> Stable:
    """Stable pixels of 0 to ``dates`` dates by simulation: the same numbers at every call and on every machine.

    The estimate from few dates is biased low, and its distribution is skewed: mean + 2 deviations is exceeded by
    1.5 % to 2.1 % rather than 2.3 % of stable pixels.
    """
    size = dates + 1
    mean, peak, deviation = (np.full(size, np.nan) for _ in range(3))
    quantiles = np.full((size, len(RATES)), np.nan)
    for count, cv in _simulated(looks, dates, draws):
        if count >= LEAST_DATES:
            mean[count], deviation[count] = cv.mean(), cv.std()
            cv.sort()
            peak[count] = _shortest(cv)
            quantiles[count] = np.interp((1 - RATES) * draws - 0.5, np.arange(draws), cv)
    return Stable(looks, mean, peak, deviation, quantiles)


def crest(cv: NDArray[np.floating]) -> float:
    """Where the values crowd: the mean of the shortest stretch that holds a quarter of them.

    Unlike mean and median it stays with the stable pixels where up to half of all pixels change.

    Raises:
        ValueError: if there is no value.
    """
    if not cv.size:
        raise ValueError("the crest of no values is not defined")
    return _shortest(np.sort(cv.astype(np.float64), axis=None))


def looks_of_crest(cv: float, dates: int, draws: int = 20_000) -> float:
    """The looks whose stable pixels of so many dates crowd at ``cv``: the bias of few dates is taken out.

    Raises:
        ValueError: if ``dates`` is below `LEAST_DATES` or ``cv`` not positive.
    """
    if dates < LEAST_DATES or not cv > 0:
        raise ValueError(f"looks need a positive coefficient of variation of {LEAST_DATES} dates, got {cv}, {dates}")
    looks = float(looks_of(cv))
    for _ in range(4):
        bias = cv_mean(looks) - float(stable(round(looks, 3), dates, draws).crest[dates])
        looks = max(float(looks_of(cv + bias)), 0.1)
    return looks


def _shortest(ascending: Float) -> float:
    held = max(len(ascending) // 4, 1)
    start = int(np.argmin(ascending[held - 1 :] - ascending[: len(ascending) - held + 1]))
    return float(ascending[start : start + held].mean())


def _simulated(looks: float, dates: int, draws: int) -> Iterator[tuple[int, Float]]:
    """Coefficients of variation ``(draws)`` of stable series, one date longer each time."""
    total, squares = np.zeros(draws), np.zeros(draws)
    for count in range(1, dates + 1):
        # A stream for each date: thresholds do not depend on how many dates the longest series of a caller has.
        intensity = np.random.default_rng([SEED, count]).standard_gamma(looks, draws)
        squares += intensity
        total += np.sqrt(intensity, out=intensity)
        yield count, np.sqrt(np.maximum(count * squares / total**2 - 1, 0))


def _ratio_2(looks: float) -> float:
    return looks * exp(2 * (lgamma(looks) - lgamma(looks + 0.5)))
