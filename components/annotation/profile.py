"""What a dataset's earlier versions were like: a small file beside `raw.dvc`, kept by itself and committed with it.

`python -m components.annotation <dataset>` adds the profile of the version it has checked. The previous version is then
the newest one in that file, as the last commit holds it, that is not the version at hand; what was never committed
counts only where no commit knows another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
from pydantic import Field, ValidationError

from components.errors import BadParams, LineageBroken
from components.lineage.commands import git
from components.raster.atomic import write_text
from components.raster.dataset import MANIFEST, Source, sha256
from components.tasks.params import Params, first_problem

FILE = "profile.json"
KEPT = 5  # versions in the file
QUARTILES = (0.25, 0.5, 0.75)
DIGITS = 6


class Profile(Params):
    """One version of a dataset in numbers: labelled pixels by place and class, quartiles of the scenes' band medians.

    ``version`` is the SHA-256 of the manifest of `raw`, which names every file of it.
    """

    version: str
    classes: Mapping[str, Mapping[str, int]] = Field(default_factory=dict)
    bands: Mapping[str, tuple[float, float, float]] = Field(default_factory=dict)


class Versions(Params):
    """The versions that were checked, newest first."""

    versions: tuple[Profile, ...] = ()


def profile_of(table: pd.DataFrame, version: str) -> Profile:
    """The profile of a summary table; classes and bands are empty where the table has no such columns."""
    scenes = table[table["level"] == "scene"]
    shares = [str(name) for name in scenes if str(name).startswith("share_")]
    classes: dict[str, dict[str, int]] = {}
    if "labelled_px" in scenes:
        pixels = scenes[shares].fillna(0).astype(float).mul(scenes["labelled_px"].fillna(0), axis=0).round()
        by_place = pixels.groupby(scenes["place"]).sum().astype(int)
        classes = {
            str(place): {str(name)[6:]: int(count) for name, count in row.items()}
            for place, row in by_place.to_dict("index").items()
        }
    bands = {
        str(name): scenes[name].astype(float).dropna().quantile(list(QUARTILES))
        for name in scenes
        if re.match("median_", str(name)) and scenes[name].notna().any()
    }
    kept = {name: (round(a, DIGITS), round(b, DIGITS), round(c, DIGITS)) for name, (a, b, c) in bands.items()}
    return Profile(version=version, classes=classes, bands=kept)


def version_of(dataset: Path) -> str:
    """The version of the data at hand: the digest of the manifest of `raw`; `unfinished` where there is none."""
    manifest = dataset / "raw" / MANIFEST
    return sha256(manifest) if manifest.is_file() else "unfinished"


def home_of(sources: Sequence[Source]) -> Path | None:
    """The folder of the dataset that sources were read from, see `raster.dataset`; None without files."""
    paths = [path for source in sources[:1] for path in (*source.files.values(), *source.vectors.values())]
    return paths[0].parents[3] if paths else None


def previous_of(dataset: Path) -> Profile | None:
    """The profile of the version before the one at hand; None where no other was ever checked.

    Raises:
        BadParams: if the file is damaged.
    """
    version = version_of(dataset)
    return next((each for each in _known(dataset) if each.version != version), None)


def remember(dataset: Path, table: pd.DataFrame) -> Path:
    """The profile of the version at hand written first into `profile.json`; answers its path.

    Raises:
        BadParams: if the file is damaged.
    """
    new, path = profile_of(table, version_of(dataset)), dataset / FILE
    earlier = _parsed(path.read_text(), path) if path.is_file() else ()
    kept = (new, *(each for each in earlier if each.version != new.version))[:KEPT]
    write_text(path, json.dumps(Versions(versions=kept).model_dump(mode="json"), indent=1, sort_keys=True) + "\n")
    return path


def _known(dataset: Path) -> Iterator[Profile]:
    path = dataset / FILE
    with suppress(LineageBroken):  # no repository, or nothing committed yet
        yield from _parsed(git(dataset, "show", f"HEAD:./{FILE}"), path)
    if path.is_file():
        yield from _parsed(path.read_text(), path)


def _parsed(text: str, path: Path) -> tuple[Profile, ...]:
    try:
        return Versions.model_validate_json(text).versions
    except ValidationError as error:
        raise BadParams(path, f"{first_problem(error)}; restore it from git") from error
