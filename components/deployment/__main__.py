"""`python -m components.deployment <run> <folder> <commit> <time> [name=digest ...]`, started in a checkout.

Writes the version of a trained and scored run to the folder. The checkout's own code makes the card and the golden
request, so a version never mixes two states of the code.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from components.deployment.card import Provenance
from components.deployment.draft import draft, params_path
from components.errors import LineageBroken, SwathError
from components.lineage.closure import code_digest
from components.tasks.params import read_params

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str], project: Path) -> int:
    """The exit code: 0, or 1 after a sentence on what is wrong."""
    parser = argparse.ArgumentParser(prog="components.deployment", description=__doc__)
    parser.add_argument("run")
    parser.add_argument("folder", type=Path, help="where the version goes; must not exist")
    parser.add_argument("commit")
    parser.add_argument("time", type=datetime.fromisoformat, help="of the commit, ISO 8601")
    parser.add_argument("digests", nargs="*", help="name=digest of what the run rests on")
    asked = parser.parse_args(arguments)
    try:
        _require_own_code(project)
        task = read_params(params_path(asked.run, project)).task
        digests = dict(text.split("=", 1) for text in asked.digests)
        provenance = Provenance(asked.commit, asked.time, code_digest(task, project), digests)
        version = draft(asked.run, project, asked.folder, provenance)
    except SwathError as error:
        logger.error("%s", error)  # noqa: TRY400 - one sentence, no traceback
        return 1
    sys.stdout.write(f"{version.id}\n")
    return 0


def _require_own_code(project: Path) -> None:
    own = Path(__file__).resolve().parents[2]
    if own != project.resolve():
        raise LineageBroken(f"the code of {own} runs in {project}; start the command inside the checkout")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(sys.argv[1:], Path.cwd()))
