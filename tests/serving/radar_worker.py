"""A real worker process for versions of the code `CODE` that takes its time with every date of a series."""

from __future__ import annotations

import time

import pytest

from serving.jobs import setup, worker
from serving.series.dates import OneDate
from tests.deployment.toy import CODE

DATE_S = 0.5
predict = OneDate.predict


def slow(self, scenes):
    time.sleep(DATE_S)
    return predict(self, scenes)


if __name__ == "__main__":
    patch = pytest.MonkeyPatch()
    patch.setattr(setup, "code_digest", lambda task, folder: CODE)
    patch.setattr(OneDate, "predict", slow)
    worker.main()
