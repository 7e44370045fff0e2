"""The Bento: our code and its environment as one immutable unit, built from a checkout.

`python -m components.deployment.bento <commit>`, started in the checkout, builds it and says its tag.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import bentoml

from components.errors import LineageBroken, StageFailed
from components.lineage.closure import code_digest
from components.tasks import task_names

SERVICE = "serving.service:SwathService"
# The sources that a service runs. Weights and parameters come from the registry with each version.
INCLUDE = ["serving/**/*.py", "components/**/*.py", "models/*.py", "pyproject.toml", "requirements.lock"]
LOCK = "requirements.lock"
LABEL_LENGTH = 63  # as long as a label may be
TIMEOUT_S = 600.0


def build_bento(project: Path, bento_home: Path, commit: str) -> str:
    """The tag (`swath:<version>`) of a Bento of the code in ``project``, a checkout; it lies under ``bento_home``.

    Its labels name the commit and, by task, the code digest: which versions it may serve.
    Built by an interpreter that starts in the checkout, so that the code there is what is imported and packed.

    Raises:
        LineageBroken: if the folder is no checkout of the project.
        StageFailed: if the build fails; says the last line of its output.
    """
    if not (project / "serving" / "service.py").is_file():
        raise LineageBroken(f"{project} holds no serving/service.py; give a checkout of the project")
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {"BENTOML_HOME": str(bento_home), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "components.deployment.bento", commit]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise StageFailed(f"building the Bento of {project} failed: {last}; run `bentoml build {SERVICE}` there")
    return done.stdout.strip().splitlines()[-1]


def bento_folder(tag: str, bento_home: Path) -> Path:
    """Where a Bento lies; `bentoml serve <folder>` starts it. Its sources are in `src`."""
    name, _, version = tag.partition(":")
    return bento_home / "bentos" / name / version


def main(arguments: Sequence[str]) -> None:
    """Builds the Bento of the current folder; writes its tag to the standard output."""
    project = Path.cwd()
    digests = {f"code_{task}": code_digest(task, project)[:LABEL_LENGTH] for task in task_names()}
    python = {"lock_packages": False, **({"requirements_txt": LOCK} if (project / LOCK).is_file() else {})}
    bento = bentoml.build(
        SERVICE,
        name="swath",
        build_ctx=str(project),
        include=INCLUDE,
        labels={"commit": arguments[0], **digests},
        python=python,
    )
    sys.stdout.write(f"{bento.tag}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
