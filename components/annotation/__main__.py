"""`python -m components.annotation <dataset>`: hold data/sources/<dataset> against its expectations."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from components.annotation.check import check, keep
from components.annotation.profile import remember
from components.errors import SwathError


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where no blocking rule is broken, 1 where one is, with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m components.annotation",
        description=__doc__,
        epilog="example: python -m components.annotation california-fires --keep",
    )
    parser.add_argument("dataset", help="a folder of data/sources, for example california-fires")
    parser.add_argument("--out", type=Path, help="where the report goes (default: .swath/quality/<dataset>)")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the project (default: here)")
    parser.add_argument(
        "--keep", action="store_true", help="write data/sources/<dataset>/quarantine.parquet, which prepare obeys"
    )
    options = parser.parse_args(arguments)
    out = options.out or options.root / ".swath" / "quality" / options.dataset
    dataset = options.root / "data" / "sources" / options.dataset
    try:
        report = check(dataset, out)
        remember(dataset, pd.read_csv(report.table))
        sys.stdout.write(report.summary.read_text())
        report.require_passed()
        if options.keep:
            sys.stdout.write(_said(keep(report, dataset)))
    except SwathError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _said(kept: Path | None) -> str:
    """What became of the quarantine, and what is next."""
    if kept is None:
        return "Nothing to keep: there is no quarantine (any more).\n"
    return (
        f"Kept: {kept}. Commit it; where it is new, run `python -m components.lineage.stages --write` first, "
        "so that the prepare stages depend on it.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
