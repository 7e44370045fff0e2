"""A project of Swath's shape with stages of a few lines each: real git, real DVC, no pixels."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from components.lineage.commands import dvc, environment
from components.lineage.stages import write

ROOT = Path(__file__).parents[2]

PARAMS = "task: toy\ndataset: {}\ndescription: any\nsplit: {}\ntraining: {}\nevaluation: 2\n"

FILES = {
    "components/__init__.py": "",
    "components/errors.py": "",
    "components/raster/__init__.py": "",
    "components/raster/text.py": "import components.errors\n\ndef read(p):\n    return p.read_text()\n",
    "components/inference/__init__.py": "",
    "components/lineage/__init__.py": "",
    "components/unused.py": "",
    "components/typed.py": "",
    "components/simulation/__init__.py": "",
    "components/simulation/__main__.py": """
import os
import sys
from pathlib import Path

machine = os.environ.get("TOY_MACHINE", "")
folder = Path("data/sources") / sys.argv[1] / "raw"
folder.mkdir(parents=True, exist_ok=True)
for number in range(3):
    (folder / f"scene-{number}.txt").write_text(f"scene {number} {machine}" * 20)
""",
    "components/training/__init__.py": "",
    "components/training/prepare.py": """
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from components.raster.text import read
from components.tasks import load_task, params

if TYPE_CHECKING:
    import components.typed

run = sys.argv[1]
load_task("toy")
folder = Path("data/prepared") / run
folder.mkdir(parents=True, exist_ok=True)
raw = Path("data/sources") / params(run)["dataset"] / "raw"
(folder / "chips.txt").write_text("".join(read(path) for path in sorted(raw.iterdir())) + run)
""",
    "components/training/__main__.py": """
import os
import sys
import time
from pathlib import Path
from components.tasks import load_task, params

run = sys.argv[1]
task = load_task("toy")
if beat := os.environ.get("TOY_COUNT"):
    with open(beat, "a") as file:
        file.write(run + " started\\n")
print("training", run, flush=True)
time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
folder = Path("models/weights") / run
folder.mkdir(parents=True, exist_ok=True)
chips = (Path("data/prepared") / run / "chips.txt").read_text()
(folder / "weights.txt").write_text(f"{task} {len(chips)} {params(run)['training']}")
if beat:
    with open(beat, "a") as file:
        file.write(run + " ended\\n")
""",
    "components/evaluation/__init__.py": "",
    "components/evaluation/__main__.py": """
import json
import sys
import time
from pathlib import Path
from components.tasks import load_task

run = sys.argv[1]
load_task("toy")
weights = (Path("models/weights") / run / "weights.txt").read_text()
for kind, content in (("reports", {"weights": weights}), ("timings", {"seconds": time.time()})):
    Path("data", kind).mkdir(parents=True, exist_ok=True)
    Path("data", kind, run + ".json").write_text(json.dumps(content))
""",
    "components/tasks/__init__.py": """
from importlib import import_module
from pathlib import Path

def load_task(name):
    return import_module(f"components.tasks.{name}").TASK

def params(run):
    lines = next(Path("components/tasks").glob(f"*/params/{run}.yaml")).read_text().splitlines()
    return dict(line.split(": ") for line in lines if line)
""",
    "components/tasks/toy/__init__.py": "from models.toy import NET\n\nTASK = 'toy with ' + NET\n",
    "components/tasks/toy/CARD.md": "A toy.\n",
    "components/tasks/other/__init__.py": "TASK = 'other'\n",
    "components/tasks/toy/params/toy-a.yaml": PARAMS.format("box", "x", 1),
    "components/tasks/toy/params/toy-b.yaml": PARAMS.format("box", "y", 2),
    "components/tasks/toy/params/toy-far.yaml": PARAMS.format("far", "z", 3),
    "models/__init__.py": "",
    "models/toy.py": "NET = 'net'\n",
    "data/sources/box/dataset.yaml": "title: boxes\nsimulation: {seed: 1}\n",
    "data/sources/far/dataset.yaml": "title: must be fetched\n",
    "requirements.lock": "nothing==1.0\n",
}


def make_project(folder: Path) -> Path:
    """A committed project in ``folder``; nothing has been run in it."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content.lstrip("\n"))
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    write(folder)
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    commit_all(folder, "a project")
    return folder


def commit_all(folder: Path, message: str) -> str:
    """Everything that git does not ignore, committed; answers the commit."""
    run_git(folder, "add", "--all")
    run_git(folder, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", message)
    return run_git(folder, "rev-parse", "HEAD")


def run_git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def is_clean(folder: Path) -> bool:
    """Whether git and DVC find nothing changed or left behind, and no checkout is there any more."""
    left = list((folder / ".swath" / "checkouts").glob("*"))
    worktrees = run_git(folder, "worktree", "list").splitlines()
    return not left and len(worktrees) == 1 and not run_git(folder, "status", "--porcelain")


def all_made(folder: Path) -> Path:
    """The project after `dvc repro`, as a user runs it, committed."""
    dvc(folder, "repro", "--quiet")
    commit_all(folder, "all made")
    return folder
