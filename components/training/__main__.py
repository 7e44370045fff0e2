"""The stage `train`: `python -m components.training <run>` learns what the run's candidate has to learn."""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import Interrupted, SwathError
from components.tasks import load_run
from components.tasks.chips import Prepared
from components.tasks.params import RunParams
from components.training.curves import draw_curves
from components.training.stage import Stage, train_run

logger = logging.getLogger(__name__)
READ = {"description", "evaluation"}  # keys of a run that training never reads


def inputs_digest(params: RunParams, prepared: Prepared) -> str:
    """SHA-256 of what a training depends on: parameters, chips and the project's code that is loaded."""
    digest = hashlib.sha256(params.model_dump_json(exclude=READ).encode())
    digest.update(prepared.digest.encode())
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in {"components", "models"} and getattr(module, "__file__", None):
            digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the stage: 143 after SIGTERM and 130 after SIGINT, with everything saved."""
    parser = argparse.ArgumentParser(prog="python -m components.training", description=__doc__)
    parser.add_argument("run")
    run = parser.parse_args(arguments).run
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _train(run)
    except Interrupted as error:
        logger.error("%s", error)  # noqa: TRY400 - one sentence for a person, no traceback
        return error.exit_code
    except SwathError as error:
        logger.error("%s", error)  # noqa: TRY400
        return 1
    return 0


def _train(run: str) -> None:
    task, params = load_run(run)
    prepared = Prepared(Path("data/prepared") / run)
    state = Path(os.environ.get("SWATH_STATE", ".swath"))  # a checkout that is thrown away keeps its state elsewhere
    checkpoints = state / "checkpoints" / inputs_digest(params, prepared)
    record = train_run(Stage(task, params, prepared, checkpoints), Path("models/weights") / run)
    draw_curves(record, state / "pictures" / run)
    shutil.rmtree(checkpoints, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
