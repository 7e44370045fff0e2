"""Layouts that public datasets are published in, by name: `layout: oscd` in dataset.yaml stands for a whole file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from components.errors import UnknownName

FOLDER = Path(__file__).parent / "layouts_published"


def published_layouts() -> tuple[str, ...]:
    """The names that `layout` may have, in order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def expanded(values: Any) -> Any:  # noqa: ANN401 - a YAML document
    """A declaration in which a named layout has become what it stands for; keys of dataset.yaml win over its keys.

    Raises:
        UnknownName: lists the names that there are.
    """
    if not isinstance(values, dict) or not isinstance(values.get("layout"), str):
        return values
    name = values["layout"]
    if name not in published_layouts():
        raise UnknownName("published layout", name, published_layouts())
    known = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return {**known, **values, "layout": known["layout"]}
