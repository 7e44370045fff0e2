"""`python -m components.annotation <dataset>`: hold data/sources/<dataset> against its expectations."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from components.annotation.check import check
from components.annotation.profile import remember
from components.errors import SwathError


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where no blocking rule is broken, 1 where one is, with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m components.annotation", description=__doc__)
    parser.add_argument("dataset", help="a folder of data/sources, for example california-fires")
    parser.add_argument("--out", type=Path, help="where the report goes (default: .swath/quality/<dataset>)")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the project (default: here)")
    options = parser.parse_args(arguments)
    out = options.out or options.root / ".swath" / "quality" / options.dataset
    try:
        dataset = options.root / "data" / "sources" / options.dataset
        report = check(dataset, out)
        remember(dataset, pd.read_csv(report.table))
        sys.stdout.write(report.summary.read_text())
        report.require_passed()
    except SwathError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
