"""Every benchmark beside its limit: `python -m benchmarks [name ...]`; writes benchmarks/results.md.

Ratios are taken within one run, so that a busy or slow machine cancels out.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from pathlib import Path
from typing import Any

import psutil

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")))
BEGIN, END = "<!-- limits: written by `make bench` -->", "<!-- /limits -->"
LONG = ("soak",)  # only when named: a quarter of an hour


def main() -> int:
    """Exit code 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        choices=[*NAMES, []],
        help=f"which of {', '.join(NAMES)}; all but {', '.join(LONG)} by default",
    )
    usual = tuple(name for name in NAMES if name not in LONG)
    chosen = parser.parse_args().names or usual
    rows: list[dict[str, Any]] = []
    for name in chosen:
        sys.stderr.write(f"{name} ...\n")
        rows += importlib.import_module(f"benchmarks.{name}").measure()
    text = table(rows)
    print(text)
    if set(chosen) == set(usual):
        (FOLDER / "results.md").write_text(text)
        _into_readme(text)
    return 1 if any(not met(row) for row in rows) else 0


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, with the machine that they were measured on."""
    memory = psutil.virtual_memory().total / 2**30
    machine = f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"
    lines = [f"Measured on: {machine}.", "", "| what | measured | limit | |", "| --- | ---: | ---: | --- |"]
    for row in rows:
        sign = "at most" if row.get("less_is_better") else "at least"
        lines.append(
            f"| {row['name']} | {row['value']:.3g} {row['unit']} | {sign} {row['limit']:.3g} | "
            f"{'met' if met(row) else '**missed**'} |"
        )
    return "\n".join(lines) + "\n"


def _into_readme(text: str) -> None:
    """The table between its marks in the README."""
    path = FOLDER.parent / "README.md"
    head, rest = path.read_text().split(BEGIN, 1)
    path.write_text(f"{head}{BEGIN}\n{text}{END}{rest.split(END, 1)[1]}")


def met(row: dict[str, Any]) -> bool:
    """Whether the measured value keeps its limit."""
    good: bool = row["value"] <= row["limit"] if row.get("less_is_better") else row["value"] >= row["limit"]
    return good


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    models = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
