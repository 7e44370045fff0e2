"""Which files a module executes when it is imported: the code part of a stage's dependencies and of a version.

The graph comes from grimp, which parses and never imports. It asks Python where a package lies, and in this process
the answer would be the code that is running; so it is asked in a fresh interpreter that starts in the folder to
analyse: a checkout, the project, or the source folder of a built Bento give the same answer for the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from components.errors import LineageBroken, UnknownName

PACKAGES = ("components", "flows", "models", "serving")
Imports = Mapping[str, Sequence[str]]

_SCRIPT = """
import json, sys
import grimp
graph = grimp.build_graph(*sys.argv[1:], exclude_type_checking_imports=True, cache_dir=None)
print(json.dumps({m: sorted(graph.find_modules_directly_imported_by(m)) for m in sorted(graph.modules)}))
"""


def imports(project: Path) -> Imports:
    """Every module of the project's packages and what it imports from them, type-checking imports left out.

    Raises:
        LineageBroken: if the folder holds none of the packages, or a file in it cannot be parsed.
    """
    packages = [name for name in PACKAGES if any((project / name).glob("**/*.py"))]
    if not packages:
        raise LineageBroken(f"{project} holds none of {', '.join(PACKAGES)}; give the root folder of the project")
    # Variables that would put other code before that of the folder.
    env = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONSAFEPATH"}}
    command = [sys.executable, "-c", _SCRIPT, *packages]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise LineageBroken(f"{project}: the import graph cannot be read: {last}; mend that file")
    graph: Imports = json.loads(done.stdout)
    return graph


def import_closure(entry_modules: Sequence[str], project: Path, graph: Imports | None = None) -> tuple[str, ...]:
    """Project-relative files of the entry modules and all that they import, sorted.

    The `__init__` of every package on the way is executed too, so it and its imports belong to the closure. A module
    loaded by a computed name (`components.tasks.load_task`) is invisible: name it as an entry module.

    Args:
        entry_modules: dotted names; a name ending in `.*` stands for a package and every module in it.
        project: the folder to analyse.
        graph: what `imports` answered, to ask several times without parsing again.

    Raises:
        UnknownName: if the folder holds no such module.
    """
    known = imports(project) if graph is None else graph
    waiting = [module for entry in entry_modules for module in _expanded(entry, known)]
    reached: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in reached or module not in known:
            continue
        reached.add(module)
        waiting += [*known[module], *_parents(module)]
    return tuple(sorted(path for path in (_file(module, project) for module in reached) if path))


def code_digest(task: str, project: Path) -> str:
    """SHA-256 over the code that turns weights into a prediction: task, its networks, raster and inference.

    Paths are relative and the content is all that counts, so the place of the folder does not matter.

    Raises:
        UnknownName: if there is no such task.
    """
    entries = [f"components.tasks.{task}.*", "components.raster.*", "components.inference.*"]
    return files_digest(import_closure(entries, project), project)


def files_digest(paths: Iterable[str], folder: Path) -> str:
    """SHA-256 over the names and contents of files, given relative to ``folder``."""
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        content = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        digest.update(f"{path} {content}\n".encode())
    return digest.hexdigest()


def _expanded(entry: str, known: Imports) -> list[str]:
    package = entry.removesuffix(".*")
    if package not in known:
        siblings = [name for name in known if name.rpartition(".")[0] == package.rpartition(".")[0]]
        raise UnknownName("module", package, siblings)
    if package == entry:
        return [entry]
    return [name for name in known if name == package or name.startswith(f"{package}.")]


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _file(module: str, project: Path) -> str | None:
    """The file of a module; None for a folder without `__init__`, which executes nothing."""
    stem = module.replace(".", "/")
    for path in (f"{stem}/__init__.py", f"{stem}.py"):
        if (project / path).is_file():
            return path
    return None
