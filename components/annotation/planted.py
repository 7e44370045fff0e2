"""How many planted faults the rules find in real scenes, and how often they speak where nothing was planted.

`python -m components.annotation.planted <dataset folder> ...` prints two tables in Markdown. Each fault is planted in
one scene at a time, all others stay as they are; what a rule says of untouched scenes are its false alarms, or
findings: which of the two, only a person who looks at the scenes can say.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.annotation.check import RAW
from components.annotation.faults import FAULTS, SERIES_FAULTS, Fault, SeriesFault
from components.annotation.labelled import summarise_labelled
from components.annotation.rules import Expectations, Rule, TableParams, read_expectations
from components.annotation.series import summarise_series
from components.annotation.table import summarise
from components.annotation.values import with_scale
from components.raster.dataset import Source, read_sources, write_source
from components.raster.io import read_scene
from components.raster.scene import Scene

_TABLES = {"change-pair": summarise, "labelled-image": summarise_labelled, "series": summarise_series}
WHOLE_SCENES = 1 << 20  # chips as large as scenes: rows of scenes are enough


@dataclass(frozen=True)
class Found:
    """What was found in one dataset: fault -> (found, planted); rule -> untouched scenes that break it."""

    dataset: str
    scenes: int
    faults: Mapping[str, tuple[int, int]]
    untouched: Mapping[str, tuple[str, ...]]


def plant_and_check(dataset: Path) -> Found:
    """Every fault in every scene of a dataset that has a rule for it.

    Raises:
        KeyError: if the table of the dataset is of features or of aligned pairs.
    """
    expectations = read_expectations(dataset)
    rules = {rule.name: rule for rule in expectations.all_rules()}
    sources = read_sources(dataset / RAW)
    clean = _scenes(sources, expectations)
    untouched = {name: tuple(found) for name, rule in rules.items() if (found := broken(clean, rule))}
    faults = {}
    for fault in SERIES_FAULTS if expectations.table.kind == "series" else FAULTS:
        known = [rules[name] for name in fault.rules if name in rules]
        if known:
            hits = [_is_found(fault, source, clean, expectations, known) for source in sources]
            faults[fault.name] = (sum(hits), len(hits))
    return Found(dataset.resolve().name, len(sources), faults, untouched)


def broken(table: pd.DataFrame, rule: Rule) -> list[str]:
    """Ids of scenes that break a rule about ranges, sets or pairs of values; none for any other kind of rule."""
    if rule.expect == "expect_column_pair_values_to_be_equal":
        unequal = table[rule.kwargs["column_A"]] != table[rule.kwargs["column_B"]]
        return sorted(table.loc[unequal, "id"])
    column = rule.kwargs.get("column")
    is_range = rule.expect in {"expect_column_values_to_be_between", "expect_column_values_to_be_in_set"}
    if rule.rows not in {"scene", "all"} or column not in table or not is_range:
        return []
    values = table[column]
    if "value_set" in rule.kwargs:
        wrong = ~values.isin(rule.kwargs["value_set"])
    else:
        least, most = rule.kwargs.get("min_value", -np.inf), rule.kwargs.get("max_value", np.inf)
        numbers = values.astype(float)
        wrong = (numbers < least) | (numbers > most) | (rule.kwargs.get("strict_min", False) & (numbers <= least))
    return sorted(table.loc[wrong & values.notna(), "id"])


def _scenes(sources: Sequence[Source], expectations: Expectations) -> pd.DataFrame:
    params = expectations.table.model_copy(update={"window_px": WHOLE_SCENES})
    table = _TABLES[params.kind](sources, params)
    return table[table["level"] == "scene"].reset_index(drop=True)


def _is_found(
    fault: Fault | SeriesFault,
    source: Source,
    clean: pd.DataFrame,
    expectations: Expectations,
    rules: Sequence[Rule],
) -> bool:
    params = expectations.table
    roles = _in_series(fault, source, params) if isinstance(fault, SeriesFault) else _in_labelled(fault, source, params)
    with tempfile.TemporaryDirectory() as folder:
        made = write_source(Path(folder), source.id, source.place, roles, properties=source.properties)
        planted = _scenes([made], expectations)
    others = clean[clean["id"] != source.id]
    known = [each.dropna(axis=1, how="all") for each in (others, planted)]  # null columns have no type to agree on
    both = with_scale(pd.concat(known, ignore_index=True))
    return any(source.id in broken(both, rule) for rule in rules)


def _in_labelled(fault: Fault, source: Source, params: TableParams) -> Mapping[str, Scene]:
    images = (params.before, params.after) if params.kind == "change-pair" else (params.image,)
    roles = {role: read_scene(source.files[role]) for role in (*images, params.label)}
    changed = images if fault.both_dates else images[-1:]
    label = roles[params.label]
    for role in changed:
        roles[role], roles[params.label] = fault.plant(roles[role], label)
    return roles


def _in_series(fault: SeriesFault, source: Source, params: TableParams) -> Mapping[str, Scene]:
    dates = [read_scene(path) for role, path in source.files.items() if role.startswith(params.date_prefix)]
    dates.sort(key=lambda scene: str(scene.acquired))
    return {f"{params.date_prefix}{at:03d}": scene for at, scene in enumerate(fault.plant(dates))}


def tables(found: Sequence[Found]) -> str:
    """Both tables in Markdown: faults found of those planted, and untouched scenes that break a rule."""
    head = [f"{each.dataset} ({each.scenes})" for each in found]
    lines = [_line(("planted fault", *head)), _line(("---", *("---:" for _ in head)))]
    for fault in (*FAULTS, *SERIES_FAULTS):
        if not any(fault.name in each.faults for each in found):
            continue
        cells = ["{} / {}".format(*each.faults[fault.name]) if fault.name in each.faults else "" for each in found]
        lines.append(_line((fault.name, *cells)))
    lines += ["", _line(("rule broken by untouched scenes", *head)), _line(("---", *("---" for _ in head)))]
    for name in sorted({name for each in found for name in each.untouched}):
        lines.append(_line((f"`{name}`", *(", ".join(each.untouched.get(name, ())) for each in found))))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> int:
    """Both tables on stdout."""
    parser = argparse.ArgumentParser(prog="python -m components.annotation.planted", description=__doc__)
    parser.add_argument("datasets", nargs="+", type=Path, help="folders with raw/ and expectations.yaml")
    sys.stdout.write(tables([plant_and_check(each) for each in parser.parse_args(arguments).datasets]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
