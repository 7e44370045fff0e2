"""`python -m components.review import <dataset> <review> <annotations>`: corrections into data/sources/<dataset>."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from components.errors import SwathError
from components.review.corrections import Author
from components.review.importing import read_annotations
from components.review.merging import merge
from components.review.project import read_project


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where the corrections are merged, 1 with one sentence on stderr where nothing is."""
    parser = argparse.ArgumentParser(prog="python -m components.review", description=__doc__)
    parser.add_argument("what", choices=["import"])
    parser.add_argument("dataset", help="a folder of data/sources, for example california-fires")
    parser.add_argument("review", type=Path, help="the folder that the export wrote")
    parser.add_argument("annotations", type=Path, help="Label Studio's JSON, COCO or GeoJSON")
    parser.add_argument("--by", default="", help="who drew, for files that do not say it")
    parser.add_argument("--when", default="", help="when, as ISO 8601 (default: now)")
    parser.add_argument("--only", nargs="*", default=(), help="chips that were looked at (default: all in the file)")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the project (default: here)")
    options = parser.parse_args(arguments)
    author = Author(options.by, options.when or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}") if options.by else None
    try:
        project = read_project(options.review)
        found = read_annotations(project, options.annotations, author, options.only)
        raw = options.root / "data" / "sources" / options.dataset / "raw"
        report = merge(raw, project, found.corrections, found.form)
    except SwathError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(report.as_dict()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
