"""Where the commands write: as wide as the terminal, and in a pipe so wide that no name or path is broken in two."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPED_COLUMNS = 240


def _width() -> int | None:
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_COLUMNS


console = Console(width=_width())
