"""Proof that a stage started in a folder executes the code of that folder, not what happens to be installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from components.errors import LineageBroken
from components.lineage.closure import PACKAGES
from components.lineage.commands import environment

_SCRIPT = """
import importlib.util, json, sys
specs = {name: importlib.util.find_spec(name) for name in sys.argv[1:]}
print(json.dumps({name: list(spec.submodule_search_locations or ()) for name, spec in specs.items() if spec}))
"""


def require_code_in(folder: Path) -> None:
    """Nothing, if every package of ``folder`` would be imported from it by `python -m` started there.

    Raises:
        LineageBroken: names the package and where it would come from.
    """
    packages = [name for name in PACKAGES if (folder / name).is_dir()]
    command = [sys.executable, "-c", _SCRIPT, *packages]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LineageBroken(f"{sys.executable} does not start in {folder}: {done.stderr.strip()[-300:]}")
    found: dict[str, list[str]] = json.loads(done.stdout)
    for name in packages:
        places = found.get(name, [])
        if [Path(place).resolve() for place in places[:1]] != [(folder / name).resolve()]:
            where = places[0] if places else "nowhere"
            raise LineageBroken(
                f"package {name} would come from {where}, not from {folder}; uninstall it or unset PYTHONPATH"
            )
