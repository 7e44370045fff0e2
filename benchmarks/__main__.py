"""Every benchmark beside its limit: `python -m benchmarks [name ...]`; writes results.json and the table in README.md.

Ratios are taken within one run, so that a busy or slow machine cancels out. Named benchmarks replace their own rows
and leave the others as they were measured, as long as the machine is the same.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from pathlib import Path
from typing import Any

import psutil

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")))
BEGIN, END = "<!-- limits: written by `make bench` -->", "<!-- /limits -->"
RESULTS = FOLDER / "results.json"
Rows = list[dict[str, Any]]
LONG = ("label_review", "repeatability", "soak")  # only when named: many minutes each


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
    measured: dict[str, Rows] = {}
    for name in chosen:
        sys.stderr.write(f"{name} ...\n")
        measured[name] = importlib.import_module(f"benchmarks.{name}").measure()
        print(table(measured[name]))
    machine = _machine()
    kept = _known(machine) | measured
    RESULTS.write_text(json.dumps({"machine": machine, "rows": dict(sorted(kept.items()))}, indent=1) + "\n")
    _into_readme(f"Measured on: {machine}.\n\n" + table([row for name in sorted(kept) for row in kept[name]]))
    return 1 if any(not met(row) for rows in measured.values() for row in rows) else 0


def _known(machine: str) -> dict[str, Rows]:
    """The rows of earlier runs on this machine, by benchmark; of another machine none is kept."""
    earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"machine": machine, "rows": {}}
    return {name: rows for name, rows in earlier["rows"].items() if earlier["machine"] == machine and name in NAMES}


def table(rows: Rows) -> str:
    """The rows as Markdown."""
    lines = ["| what | measured | limit | |", "| --- | ---: | ---: | --- |"]
    for row in rows:
        limit, verdict = "", ""
        if "limit" in row:
            limit = f"at {'most' if row.get('less_is_better') else 'least'} {row['limit']:.3g}"
            verdict = "met" if met(row) else "**missed**"
        lines.append(f"| {row['name']} | {row['value']:.3g} {row['unit']} | {limit} | {verdict} |")
    return "\n".join(lines) + "\n"


def _into_readme(text: str) -> None:
    """The table between its marks in the README."""
    path = FOLDER.parent / "README.md"
    head, rest = path.read_text().split(BEGIN, 1)
    path.write_text(f"{head}{BEGIN}\n{text}{END}{rest.split(END, 1)[1]}")


def met(row: dict[str, Any]) -> bool:
    """Whether the measured value keeps its limit, if it has one."""
    if "limit" not in row:
        return True
    good: bool = row["value"] <= row["limit"] if row.get("less_is_better") else row["value"] >= row["limit"]
    return good


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    models = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
