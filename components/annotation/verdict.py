"""The verdict on a dataset: pass, pass with quarantine, or fail, with reasons; and the rows of the quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from components.annotation.rules import Rule, Severity
from components.annotation.settled import Settled
from components.annotation.validation import RuleResult
from components.raster.grid import Window
from components.tasks.quarantine import Action, Suspicion

Outcome = Literal["pass", "pass with quarantine", "fail"]
ACTIONS: Mapping[Severity, Action] = {"block": "leave-out", "quarantine": "leave-out", "warn": "review"}
SHOWN = 12  # ids in a sentence
NOTHING_SETTLED = Settled()


@dataclass(frozen=True)
class Verdict:
    """What annotation QA decides, and why.

    ``reasons`` are sentences: what blocks first, then what is left out, then what a person should look at.
    ``left_out_fraction`` is the share (0..1) of the pixels that no training would learn from.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    failures: tuple[str, ...]
    quarantine: tuple[Suspicion, ...]
    left_out_fraction: float


def judge(
    table: pd.DataFrame,
    rules: Sequence[Rule],
    results: Sequence[RuleResult],
    window_px: int,
    max_left_out: float,
    settled: Settled = NOTHING_SETTLED,
) -> Verdict:
    """The verdict over a summary table and what its rules found.

    A broken rule of severity `block` fails the dataset; `quarantine` leaves its scenes and chips out of training;
    `warn` lists them for review. More left out than ``max_left_out`` (share of the pixels) fails, too: then it is
    not some labels that are wrong but the dataset. What a person has ``settled`` is neither left out nor listed again.
    """
    by_name = {rule.name: rule for rule in rules}
    rows = {each.name: tuple(_rows(table, by_name[each.name], each, window_px)) for each in results if not each.passed}
    kept = {name: tuple(row for row in found if not settled(row)) for name, found in rows.items()}
    found = tuple(row for each in kept.values() for row in each)
    broken = [each for each in results if each.name in rows and (kept[each.name] or not rows[each.name])]
    fraction = _left_out(table, found)
    failures = [sentence(each) for each in broken if each.severity == "block"]
    if fraction > max_left_out:
        allowed = f"at most {max_left_out:.0%} may: mend the labels"
        failures.append(f"{fraction:.0%} of the pixels would be left out, {allowed}")
    outcome: Outcome = "fail" if failures else "pass with quarantine" if found or broken else "pass"
    softer = [sentence(each) for level in ("quarantine", "warn") for each in broken if each.severity == level]
    settlements = [_settlement(name, len(found) - len(kept[name])) for name, found in rows.items()]
    reasons = (*failures, *softer, *(each for each in settlements if each))
    return Verdict(outcome, reasons, tuple(failures), found, fraction)


def sentence(result: RuleResult) -> str:
    """A broken rule with its rows and its remedy."""
    return f"{result.name} broken by {shown(result.failing) or 'the table'}: {result.remedy}"


def _settlement(rule: str, count: int) -> str:
    """That findings of a rule are not raised again; nothing where there are none."""
    return f"{rule}: settled by review for {count} windows, whose labels are as a person left them" if count else ""


def shown(ids: Sequence[str], most: int = SHOWN) -> str:
    """The first ids, and how many more there are."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more


def excess(value: object, kwargs: Mapping[str, Any]) -> float:
    """How bad a broken rule is, 0..1: distance beyond the limit over itself plus the limit; 1 where that is undefined.

    Twice the limit is 0.5, ten times 0.9; any excess over a limit of zero is 1.
    """
    if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not np.isfinite(value):
        return 1.0
    number = float(value)
    for name, sign in (("max_value", 1), ("min_value", -1)):
        limit = kwargs.get(name)
        if limit is not None and sign * (number - limit) > 0:
            beyond = abs(number - float(limit))
            return beyond / (beyond + abs(float(limit)))
    return 1.0


def _rows(table: pd.DataFrame, rule: Rule, result: RuleResult, window_px: int) -> Iterator[Suspicion]:
    """The windows that broke a rule. Rows that are neither chip nor scene stand for the scenes that they belong to."""
    scenes = table[table["level"] == "scene"].drop_duplicates("id").set_index("id")
    facts = scenes[["place", "rows", "cols"]].to_dict("index")
    rows = table if rule.rows == "all" else table[table["level"] == rule.rows]
    for row in rows[rows["id"].isin(list(result.failing))].drop_duplicates("id").to_dict("records"):
        value = row.get(str(rule.kwargs.get("column")))
        for scene in _scenes_of(row, scenes):
            about = facts[scene]
            shape = int(about["rows"]), int(about["cols"])
            window = _window(str(row["id"]), shape, window_px) if row["level"] == "chip" else Window(0, 0, *shape)
            score = round(excess(value, rule.kwargs), 6)
            yield Suspicion(
                scene, str(about["place"]), window, rule.name, _reason(rule, value), score, ACTIONS[rule.severity]
            )


def _scenes_of(row: Mapping[Any, Any], scenes: pd.DataFrame) -> list[str]:
    """The scene of a row; of a row that is about a place, all its scenes; none of one about the dataset."""
    if row.get("scene") in scenes.index:
        return [str(row["scene"])]
    if row["level"] == "place":
        return [str(scene) for scene in scenes.index[scenes["place"] == row.get("place", row["id"])]]
    return []


def _window(chip: str, shape: tuple[int, int], window_px: int) -> Window:
    """The window of a chip's id (`scene@row,col`)."""
    row, col = (int(number) for number in chip.rpartition("@")[2].split(","))
    return Window(row, col, min(window_px, shape[0]), min(window_px, shape[1]))


def _reason(rule: Rule, value: object) -> str:
    limits = [f"at {word} {rule.kwargs[key]:g}" for key, word in _LIMITS.items() if rule.kwargs.get(key) is not None]
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if number and limits:
        return (
            f"{rule.kwargs['column']} is {_digits(float(str(value)))}, {' and '.join(limits)} is allowed: {rule.remedy}"
        )
    return rule.remedy


def _digits(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


_LIMITS = {"max_value": "most", "min_value": "least"}


def _left_out(table: pd.DataFrame, found: Sequence[Suspicion]) -> float:
    """Share of all pixels in windows to be left out; pixels of overlapping windows count once."""
    scenes = table[table["level"] == "scene"].drop_duplicates("id").set_index("id")
    total, out = int((scenes["rows"] * scenes["cols"]).sum()), 0
    chosen: dict[str, list[Window]] = {}
    for each in found:
        if each.action == "leave-out":
            chosen.setdefault(each.scene, []).append(each.window)
    facts = scenes[["rows", "cols"]].to_dict("index")
    for scene, windows in chosen.items():
        about = facts[scene]
        mask = np.zeros((int(about["rows"]), int(about["cols"])), np.bool_)
        for window in windows:
            mask[window.slices] = True
        out += int(mask.sum())
    return out / total if total else 0.0
