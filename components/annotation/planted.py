"""How many planted faults the rules find in real scenes, and how often they speak where nothing was planted.

`python -m components.annotation.planted <dataset folder> ...` prints two tables in Markdown. Each fault is planted in
one scene at a time, all others stay as they are; what a rule says of untouched scenes are its false alarms, or
findings: which of the two, only a person who looks at the scenes can say.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.annotation.check import RAW
from components.annotation.labelled import summarise_labelled
from components.annotation.rules import Expectations, Rule, read_expectations
from components.annotation.table import summarise
from components.annotation.values import with_scale
from components.raster.dataset import Source, read_sources, write_source
from components.raster.io import read_scene
from components.raster.scene import Scene

Roles = dict[str, Scene]
_TABLES = {"change-pair": summarise, "labelled-image": summarise_labelled}
DOWN_PX, RIGHT_PX = 6, -5
WHOLE_SCENES = 1 << 20  # chips as large as scenes: rows of scenes are enough


@dataclass(frozen=True)
class Fault:
    """A fault by name, how it is planted (in image, label), and the rules of which one must find it."""

    name: str
    plant: Callable[[Scene, Scene], tuple[Scene, Scene]]
    rules: tuple[str, ...]


def _shifted(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    return image, label.with_array(np.roll(label.array, (DOWN_PX, RIGHT_PX), axis=(1, 2)))


def _flipped(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    codes, rng = label.array.copy(), np.random.default_rng(0)
    names = [each.code for each in label.classes]
    flips = label.valid & (rng.random(codes.shape[1:]) < 0.1)
    codes[0, flips] = np.where(codes[0, flips] == names[0], names[-1], names[0])
    return image, label.with_array(codes)


def _of_elsewhere(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    return image, label.with_array(np.ascontiguousarray(label.array[:, ::-1, ::-1]))


def _foreign(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    codes = label.array.copy()
    codes[0, :5, :5] = 77
    return image, label.with_array(codes)


def _unlabelled(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    return image, label.with_array(np.full_like(label.array, int(label.nodata or 255)), nodata=label.nodata or 255)


def _scaled(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    return image.with_array(image.array.astype(np.float32) * 10_000), label


def _blackened(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    array = image.array.copy()
    array[:, : max(8, array.shape[1] // 16)] = 0
    return image.with_array(array), label


def _marked(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    array = image.array.astype(np.float32)
    where = np.random.default_rng(1).random(array.shape[1:]) < 0.01
    array[:, where] = -9999
    return image.with_array(array), label


def _torn(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    array = image.array.astype(np.float32)
    array[-1, : array.shape[1] // 5] = np.nan
    return image.with_array(array, nodata=np.nan), label


_PLACE = ("label-is-in-place", "label-is-in-place-on-the-ground")
_FIT = ("image-sees-the-label", "image-sees-the-edge", "outline-lies-on-edges")
_FIT_OF_CLASSES = ("image-separates-classes", "image-separates-at-the-edge")
FAULTS = (
    Fault(f"label moved by {DOWN_PX} and {RIGHT_PX} px", _shifted, _PLACE),
    Fault("label turned by 180 degrees", _of_elsewhere, (*_FIT, *_FIT_OF_CLASSES, *_PLACE)),
    Fault("one label in ten flipped", _flipped, ("label-is-shapes",)),
    Fault("unknown class", _foreign, ("known-codes",)),
    Fault("no label", _unlabelled, ("something-is-labelled",)),
    Fault("image times 10,000", _scaled, ("values-fit-the-unit", "one-scale")),
    Fault("border of zeros", _blackened, ("zero-is-not-nodata",)),
    Fault("-9999 among the values", _marked, ("no-sentinel-among-values", "values-fit-the-unit")),
    Fault("a fifth of one band lost", _torn, ("bands-are-seen-together",)),
)


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
        KeyError: if the table of the dataset is neither of change pairs nor of labelled images.
    """
    expectations = read_expectations(dataset)
    rules = {rule.name: rule for rule in expectations.all_rules()}
    sources = read_sources(dataset / RAW)
    clean = _scenes(sources, expectations)
    untouched = {name: tuple(found) for name, rule in rules.items() if (found := broken(clean, rule))}
    faults = {}
    for fault in FAULTS:
        known = [rules[name] for name in fault.rules if name in rules]
        if known:
            hits = [_is_found(fault, source, clean, expectations, known) for source in sources]
            faults[fault.name] = (sum(hits), len(hits))
    return Found(dataset.resolve().name, len(sources), faults, untouched)


def broken(table: pd.DataFrame, rule: Rule) -> list[str]:
    """Ids of scenes that break a rule about ranges or sets of values; none for any other kind of rule."""
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
    fault: Fault, source: Source, clean: pd.DataFrame, expectations: Expectations, rules: Sequence[Rule]
) -> bool:
    params = expectations.table
    images = (params.before, params.after) if params.kind == "change-pair" else (params.image,)
    roles = {role: read_scene(source.files[role]) for role in (*images, params.label)}
    roles[images[-1]], roles[params.label] = fault.plant(roles[images[-1]], roles[params.label])
    if fault.plant is _scaled:  # of a pair, both dates come from one archive
        roles |= {role: _scaled(roles[role], roles[params.label])[0] for role in images[:-1]}
    with tempfile.TemporaryDirectory() as folder:
        planted = _scenes([write_source(Path(folder), source.id, source.place, roles)], expectations)
    others = clean[clean["id"] != source.id]
    known = [each.dropna(axis=1, how="all") for each in (others, planted)]  # null columns have no type to agree on
    both = with_scale(pd.concat(known, ignore_index=True))
    return any(source.id in broken(both, rule) for rule in rules)


def tables(found: Sequence[Found]) -> str:
    """Both tables in Markdown: faults found of those planted, and untouched scenes that break a rule."""
    head = [f"{each.dataset} ({each.scenes})" for each in found]
    lines = [_line(("planted fault", *head)), _line(("---", *("---:" for _ in head)))]
    for fault in FAULTS:
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
