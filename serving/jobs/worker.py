"""The process that works on jobs: `python -m serving.jobs.worker`, started by the service when there is work."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import uuid
from collections.abc import Sequence

from serving.jobs.loop import Worker
from serving.jobs.setup import workshop_of

NICENESS = 10  # requests that are answered at once go first


def main(arguments: Sequence[str] | None = None) -> None:
    """Jobs done until there are none for a while; settings from `SWATH_*`, as those of the service that starts it."""
    parser = argparse.ArgumentParser(prog="python -m serving.jobs.worker")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="the worker ends with this process")
    parser.add_argument("--name", default=uuid.uuid4().hex, help="under which it holds jobs")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(NICENESS)
    with workshop_of() as (table, workshop, folder, patience):
        worker = Worker(table, workshop, folder, patience, name=options.name, parent=options.parent)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.leaving.set())
        worker.run()


if __name__ == "__main__":
    main()
