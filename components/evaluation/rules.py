"""The rules of the gate: one function each, which answers with checks. What they mean together says `gate.decide`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.evaluation.evidence import Evidence
from components.metrics.bootstrap import Goal, Interval
from components.tasks.params import LimitParams
from components.tasks.seam import Metric

CHAMPION = "champion"  # the rule that says whether there is one to compare with
REGIONS = "regions."  # a floor named `regions.f1` holds in every unit by itself
# Beyond this share of draws without a value, an interval speaks of the lucky draws only.
MAX_UNDEFINED = 0.05
TIE = 1e-6  # reports hold six digits: scores that differ by less are equal


@dataclass(frozen=True)
class Check:
    """One thing that was asked, whether it holds, and the sentence with number, limit and interval."""

    rule: str
    passed: bool
    text: str


def units(candidate: Evidence, limits: LimitParams) -> Iterator[Check]:
    """Enough units that an interval over them means something."""
    count = len(candidate.overall.units)
    if count < limits.min_units:
        yield Check("units", False, f"not enough evidence: {count} units, at least {limits.min_units} are needed")
    else:
        yield Check("units", True, f"{count} units of evidence, at least {limits.min_units} are needed")


def baselines(baselines: Mapping[str, Evidence]) -> Iterator[Check]:
    """Anything to be better than."""
    if not baselines:
        yield Check("baselines", False, "no baseline to compare with: a task without one cannot be gated")


def beats(candidate: Evidence, rival: Evidence, name: str, primary: Metric) -> Iterator[Check]:
    """Better than one rival beyond doubt, on the same draws: the low end of the difference is above zero."""
    metric, rule = primary.name, f"better than {name}"
    if candidate.overall.units != rival.overall.units:
        yield Check(rule, False, f"{metric} cannot be compared with {name}, which was scored on other units")
        return
    gain = candidate.overall.gain_over(rival.overall, metric, primary.goal)
    if gain.value is None or gain.low is None:
        yield Check(rule, False, f"{metric} cannot be compared with {name}: it is undefined on these units")
        return
    if gain.undefined_fraction > MAX_UNDEFINED:
        lost = f"undefined in {gain.undefined} of {gain.resamples} draws, limit {MAX_UNDEFINED:.0%}"
        yield Check(rule, False, f"not enough evidence against {name}: {metric} is {lost}; {_gain(gain)}")
        return
    ours, theirs = candidate.overall.scores[metric], rival.overall.scores[metric]
    passed = gain.low > TIE
    demand = "" if passed else ", its low end must be above 0"
    verb = "is better than" if passed else "is not better beyond doubt than"
    yield Check(rule, passed, f"{metric} {ours:.4g} {verb} {name} with {theirs:.4g}: {_gain(gain)}{demand}")


def drops(candidate: Evidence, champion: Evidence, limits: LimitParams, primary: Metric) -> Iterator[Check]:
    """No loss against the champion above the limit, in any unit and in any class."""
    limit, metric = limits.max_drop_per_region, primary.name
    if limit is None or candidate.overall.units != champion.overall.units:
        return
    overall = f"over all units {_gain(candidate.overall.gain_over(champion.overall, metric, primary.goal))}"
    for unit in candidate.overall.units:
        ours, theirs = candidate.regions[unit].get(metric), champion.regions[unit].get(metric)
        yield from _drop(f"{metric} in {unit}", (ours, theirs), primary, limit, overall)
    for name in sorted(name for name in champion.overall.scores if "." in name):  # scores of single classes
        pair = candidate.overall.scores.get(name), champion.overall.scores.get(name)
        aim = Metric(name, _goal(name, primary))
        difference = _gain(candidate.overall.gain_over(champion.overall, name, aim.goal))
        yield from _drop(name, pair, aim, limit, difference)


def _drop(
    what: str, pair: tuple[float | None, float | None], metric: Metric, limit: float, shown: str
) -> Iterator[Check]:
    """At most one check: a loss beyond the limit, or a score that only the champion has. Both undefined is no loss."""
    ours, theirs = pair
    if theirs is None:
        return
    if ours is None:
        yield Check("drop", False, f"{what} is undefined, the champion has {theirs:.4g}; {shown}")
        return
    loss = -metric.gain(ours, theirs)
    passed = loss <= limit
    verb = f"loses {loss:.4g}" if loss > 0 else f"gains {-loss:.4g}"
    text = f"{what} {verb} against the champion ({ours:.4g}, was {theirs:.4g}), limit {limit:.4g}; {shown}"
    yield Check("drop", passed, text)


def floors(candidate: Evidence, limits: LimitParams, primary: Metric) -> Iterator[Check]:
    """Every floor held: overall and by class (`f1`, `f1.road`), or in every unit by itself (`regions.f1`)."""
    for name, floor in sorted(limits.floors.items()):
        if not name.startswith(REGIONS):
            interval = candidate.overall.interval(name)
            yield _floor(name, interval.value, floor, _goal(name, primary), _interval(interval))
            continue
        metric = name.removeprefix(REGIONS)
        for unit, scores in candidate.regions.items():
            overall = f"over all units {_interval(candidate.overall.interval(metric))}"
            yield _floor(f"{metric} in {unit}", scores.get(metric), floor, _goal(metric, primary), overall)


def _floor(what: str, value: float | None, floor: float, goal: Goal, shown: str) -> Check:
    """A floor holds at the floor itself. Where less is better it is a ceiling."""
    kind = "ceiling" if goal == "min" else "floor"
    if value is None:
        return Check("floor", False, f"{what} is undefined: the truth holds none of it; {kind} {floor:.4g}")
    passed = value <= floor if goal == "min" else value >= floor
    verb = "holds" if passed else "misses"
    return Check("floor", passed, f"{what} {value:.4g} {verb} its {kind} {floor:.4g}; {shown}")


def calibration(candidate: Evidence, limits: LimitParams) -> Iterator[Check]:
    """Probabilities that mean what they say: expected calibration error within the limit."""
    if limits.max_ece is None:
        return
    ece = candidate.overall.interval("ece")
    if ece.value is None:
        yield Check("calibration", False, f"ece is undefined: no probability was scored; limit {limits.max_ece:.4g}")
        return
    passed = ece.value <= limits.max_ece
    verb = "is within" if passed else "is above"
    yield Check("calibration", passed, f"ece {ece.value:.4g} {verb} the limit {limits.max_ece:.4g}; {_interval(ece)}")


def budgets(candidate: Evidence, limits: LimitParams) -> Iterator[Check]:
    """Seconds and memory of one megapixel within their budgets."""
    cost = candidate.cost
    seconds, memory = (cost.seconds_per_megapixel, cost.peak_memory_mb) if cost else (None, None)
    asked = (
        ("s/megapixel", limits.max_seconds_per_megapixel, seconds),
        ("MB peak memory", limits.max_peak_memory_mb, memory),
    )
    for unit, limit, value in asked:
        if limit is None:
            continue
        if value is None:
            yield Check("budget", False, f"{unit} was not measured; budget {limit:.4g} {unit}")
            continue
        verb = "within" if value <= limit else "above"
        yield Check("budget", value <= limit, f"{value:.4g} {unit} is {verb} the budget of {limit:.4g} {unit}")


def _goal(name: str, primary: Metric) -> Goal:
    """Which way a score is better: as the deciding one for its own classes (`epe.road`), upwards for all others."""
    return primary.goal if name.split(".")[0] == primary.name.split(".")[0] else "max"


def _gain(gain: Interval) -> str:
    value = "undefined" if gain.value is None else f"{gain.value:.4g}"
    return f"difference {value}, {_interval(gain)}"


def _interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "no interval"
    return f"interval [{interval.low:.4g}, {interval.high:.4g}]"
