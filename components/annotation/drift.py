"""Balance of the classes, and drift against the dataset's previous version: per class, per place, per band."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.annotation.bias import DATASET
from components.annotation.profile import Profile, home_of, previous_of, profile_of
from components.annotation.rules import TableParams
from components.metrics.bootstrap import BootstrapParams, Resampled
from components.raster.dataset import Source

Summarise = Callable[[Sequence[Source], TableParams], pd.DataFrame]
Float = NDArray[np.float64]

SETTINGS = BootstrapParams(resamples=500)
LEAST_SHARE = 1e-4  # a class that is absent counts as this share: a logarithm of 0 is no number
_CLASS_COLUMNS = ("share", "places", "earlier_share", "change_of_share", "change_of_share_low", "change_of_share_high")


def versioned(summarise: Summarise) -> Summarise:
    """A summary table with the rows and columns of `with_drift` against the previous version of its dataset."""

    def summarised(sources: Sequence[Source], params: TableParams) -> pd.DataFrame:
        table = summarise(sources, params)
        home = home_of(sources)
        return with_drift(table, previous_of(home) if home else None)

    return summarised


def with_drift(table: pd.DataFrame, before: Profile | None) -> pd.DataFrame:
    """The table with a row for each class, one for each place that both versions have, and drift of the dataset.

    A `class` row holds its share of the labelled pixels, the places that have it, its share before and the change with
    a 95 % interval over places; ``change_of_share_least`` is the least change that the interval allows. A `place` row
    and that of the dataset hold ``class_tv`` (total variation, 0..1) and ``class_psi`` (population stability index) of
    the class shares, the dataset also ``band_drift``: how far the middle scene of a band moved, in widths of the middle
    half of the scenes before. Without ``before`` all of these are null.
    """
    now = profile_of(table, "")
    rows = [*_class_rows(now, before), *_place_rows(now, before)]
    table = pd.concat([table, pd.DataFrame(rows)], ignore_index=True) if rows else table.copy()
    wanted = (*_CLASS_COLUMNS, "change_of_share_least", "class_tv", "class_psi", "band_drift")
    for column in wanted:
        if column not in table:
            table[column] = np.nan
    whole = table["level"] == DATASET
    tv, psi = _difference(_sums(now), _sums(before)) if before else (np.nan, np.nan)
    for column, value in {"class_tv": tv, "class_psi": psi, "band_drift": _band_drift(now, before)}.items():
        table.loc[whole, column] = value
    return table


def _class_rows(now: Profile, before: Profile | None) -> list[dict[str, Any]]:
    names = sorted({name for shares in now.classes.values() for name in shares} | set(_sums(before)))
    places = sorted({*now.classes, *(before.classes if before else ())})
    counts, earlier = _counts(now, places, names), _counts(before, places, names)
    rows = []
    for at, name in enumerate(names):
        row = {
            "level": "class",
            "id": f"class {name}",
            "share": _share(counts, at),
            "places": float((counts[:, at] > 0).sum()),
        }
        rows.append({**row, **(_change(counts, earlier, at) if before else {})})
    return rows


def _change(counts: Float, earlier: Float, at: int) -> dict[str, Any]:
    rng = np.random.default_rng(SETTINGS.seed)
    drawn = (rng.integers(0, len(counts), len(counts)) for _ in range(SETTINGS.resamples))
    draws = np.array([_share(counts[each], at) - _share(earlier[each], at) for each in drawn])
    change = _share(counts, at) - _share(earlier, at)
    units = tuple(map(str, range(len(counts))))
    score = None if np.isnan(change) else change
    found = Resampled(units, {"change": score}, {"change": draws}, SETTINGS).interval("change")
    low, high = (np.nan if each is None else each for each in (found.low, found.high))
    return {
        "earlier_share": _share(earlier, at),
        "change_of_share": change,
        "change_of_share_low": low,
        "change_of_share_high": high,
        "change_of_share_least": max(low, -high, 0.0) if np.isfinite(low) else np.nan,
    }


def _place_rows(now: Profile, before: Profile | None) -> list[dict[str, Any]]:
    both = sorted(set(now.classes) & set(before.classes)) if before else []
    rows = []
    for place in both:
        tv, psi = _difference(now.classes[place], before.classes[place] if before else {})
        rows.append({"level": "place", "id": f"place {place}", "place": place, "class_tv": tv, "class_psi": psi})
    return rows


def _difference(now: Mapping[str, int], before: Mapping[str, int]) -> tuple[float, float]:
    """Total variation and population stability index of two sets of pixel counts; NaN where one is empty."""
    names = sorted({*now, *before})
    counts = np.array([[each.get(name, 0) for name in names] for each in (now, before)], dtype=np.float64)
    if not names or not counts.sum(axis=1).all():
        return np.nan, np.nan
    p, q = counts / counts.sum(axis=1, keepdims=True)
    tv = float(np.abs(p - q).sum() / 2)
    p, q = np.maximum(p, LEAST_SHARE), np.maximum(q, LEAST_SHARE)
    return tv, float(((p - q) * np.log(p / q)).sum())


def _band_drift(now: Profile, before: Profile | None) -> float:
    steps = [np.nan]
    for name, (_, middle, _) in now.bands.items():
        if before and name in before.bands:
            lower, earlier, upper = before.bands[name]
            width = max(upper - lower, 0.1 * abs(earlier), 1e-9)  # few scenes may be alike by chance
            steps.append(abs(middle - earlier) / width)
    return float(np.nanmax(steps)) if len(steps) > 1 else np.nan


def _sums(profile: Profile | None) -> dict[str, int]:
    total: dict[str, int] = {}
    for shares in profile.classes.values() if profile else ():
        for name, count in shares.items():
            total[name] = total.get(name, 0) + count
    return total


def _counts(profile: Profile | None, places: Sequence[str], names: Sequence[str]) -> Float:
    known = profile.classes if profile else {}
    rows = [[known.get(place, {}).get(name, 0) for name in names] for place in places]
    return np.array(rows, dtype=np.float64).reshape(len(places), len(names))


def _share(counts: Float, at: int) -> float:
    total = float(counts.sum())
    return float(counts[:, at].sum()) / total if total else float("nan")
