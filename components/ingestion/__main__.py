"""`python -m components.ingestion <dataset> <folder>`: bring a source folder into data/sources/<dataset>."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from components.errors import SwathError
from components.ingestion.ingest import ingest
from components.raster.limits import OpenLimits


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where the dataset stands, 1 with one sentence on stderr where it does not."""
    parser = argparse.ArgumentParser(prog="python -m components.ingestion", description=__doc__)
    parser.add_argument("dataset", help="a folder of data/sources, for example california-fires")
    parser.add_argument("folder", type=Path, help="the source folder")
    parser.add_argument("--max-lost", type=float, help="quarantined share above which it fails (default: dataset.yaml)")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the project (default: here)")
    parser.add_argument("--limits", help="what a source file may ask for: OpenLimits as JSON (default: see ingest.py)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        dataset = options.root / "data" / "sources" / options.dataset
        limits = OpenLimits(**json.loads(options.limits)) if options.limits else None
        # a checkout that is thrown away keeps its state elsewhere
        remember = Path(os.environ.get("SWATH_STATE", options.root / ".swath")) / "digests" / f"{options.dataset}.json"
        report = ingest(options.folder, dataset, max_lost=options.max_lost, limits=limits, remember=remember)
    except SwathError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(report.as_dict(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
