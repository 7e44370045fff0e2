"""JSON files that show when a number in them was changed: a digest over the content is part of the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import LineageBroken
from components.raster.atomic import write_text

DIGITS = 6
Sealed = Mapping[str, Any]


def sealed(content: Mapping[str, Any]) -> Sealed:
    """The content, rounded, with the digest over it."""
    kept = rounded({key: value for key, value in content.items() if key != "digest"})
    return {**kept, "digest": digest_of(kept)}


def digest_of(report: Sealed) -> str:
    """SHA-256 over everything in a report but its own digest."""
    content = {key: value for key, value in report.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write_report(report: Sealed, path: Path) -> None:
    """The report as JSON with sorted keys; the same report gives the same bytes."""
    write_text(path, f"{_text(report)}\n")


def read_report(path: Path) -> Sealed:
    """The report of a file.

    Raises:
        LineageBroken: if there is none, or it was changed after it was written.
    """
    try:
        report: Sealed = dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise LineageBroken(f"{path} is no report: {error}; run the evaluate stage of the run") from error
    verify(report, path)
    return report


def verify(report: Sealed, where: object = "report") -> None:
    """Nothing where the content is the one that was sealed.

    Raises:
        LineageBroken: if a number was changed by hand.
    """
    if report.get("digest") != digest_of(report):
        raise LineageBroken(
            f"{where}: its content is not the one its digest names, a number was changed after evaluation; "
            f"restore it or run the evaluate stage again"
        )


def rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A JSON value with its floats rounded to six digits."""
    if isinstance(value, np.generic):
        return rounded(value.item())
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, Mapping):
        return {str(key): rounded(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(rounded(each) for each in value)
    return value


def _text(value: Any, indent: str = "") -> str:  # noqa: ANN401 - any JSON
    """JSON with sorted keys that a person can compare line by line: what holds nothing nested takes one line."""
    entries = list(value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ())
    if not any(isinstance(each, Mapping | tuple | list) for each in entries):
        return json.dumps(value, sort_keys=True, allow_nan=False)
    deeper = indent + " "
    if isinstance(value, Mapping):
        lines = [f"{deeper}{json.dumps(key)}: {_text(value[key], deeper)}" for key in sorted(value)]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    lines = [f"{deeper}{_text(each, deeper)}" for each in entries]
    return "[\n" + ",\n".join(lines) + f"\n{indent}]"
