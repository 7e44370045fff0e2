"""`python -m components.simulation <dataset>`: make a sandbox dataset in data/sources/<dataset>/raw."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.errors import SwathError
from components.simulation.arithmetic import pin


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where the dataset stands, 1 with one sentence on stderr where it does not."""
    parser = argparse.ArgumentParser(prog="python -m components.simulation", description=__doc__)
    parser.add_argument("dataset", help="a folder of data/sources, for example sandbox-optical")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the project (default: here)")
    options = parser.parse_args(arguments)
    pin()
    from components.simulation.dataset import simulate  # imports NumPy, which chooses its kernels once

    try:
        simulate(options.root / "data" / "sources" / options.dataset)
    except SwathError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
