"""The two programs that lineage calls, `git` and `dvc`, as short functions that answer text or say what went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.errors import LineageBroken

# No hooks, signatures or background work of a user's own settings in machine-made commits.
_GIT = ("git", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.hooksPath=/dev/null")
_FOREIGN = frozenset({
    "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHONHOME",
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
})  # fmt: skip


def environment(folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables under which code, Python and DVC cache state are those of ``folder``.

    Variables that would point git, Python or a running DVC elsewhere are left out; the interpreter's own folder comes
    first in PATH, so `python` in a stage's command is this very one.
    """
    kept = {k: v for k, v in os.environ.items() if k not in _FOREIGN and not k.startswith("DVC_")}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # DVC takes twice as long to start without its compiled modules
    kept["SHELL"] = "/bin/sh"  # DVC runs commands with the user's shell otherwise
    kept["GIT_TERMINAL_PROMPT"] = "0"
    kept["DVC_NO_ANALYTICS"] = "1"
    kept["DVC_SITE_CACHE_DIR"] = str(folder / ".dvc" / "tmp" / "site")  # goes with the folder
    return kept | dict(extra or {})


def git(folder: Path, *arguments: str) -> str:
    """What a git command in ``folder`` says, without the last line break.

    Raises:
        LineageBroken: with git's own reason.
    """
    done = _called([*_GIT, *arguments], folder)
    if done.returncode != 0:
        raise LineageBroken(f"git {_shown(arguments)} in {folder}: {_reason(done)}")
    return done.stdout.rstrip("\n")


def git_holds(folder: Path, *arguments: str) -> bool:
    """Whether a git command that answers by its exit code (`rev-parse --verify`, `cat-file -e`) says yes."""
    return _called([*_GIT, *arguments], folder).returncode == 0


def changed_files(folder: Path, untracked: str = "all") -> tuple[str, ...]:
    """Files below ``folder`` that differ from its commit, new ones included, ignored ones not."""
    lines = git(folder, "status", "--porcelain", f"--untracked-files={untracked}", "--no-renames", "-z").split("\0")
    return tuple(sorted({line[3:] for line in lines if line}))


def dvc(folder: Path, *arguments: str) -> str:
    """What a DVC command in ``folder`` writes to its standard output.

    Raises:
        LineageBroken: with DVC's own reason.
    """
    done = _called([sys.executable, "-m", "dvc", *arguments], folder)
    if done.returncode != 0:
        raise LineageBroken(f"dvc {_shown(arguments)} in {folder}: {_reason(done)}")
    return done.stdout


def _called(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", check=False,
    )  # fmt: skip


def _shown(arguments: Sequence[str]) -> str:
    return " ".join(arguments[:4]) + (" ..." if len(arguments) > 4 else "")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    begins = [number for number, line in enumerate(lines) if line.lower().startswith(("error", "fatal", "warning"))]
    return "; ".join(lines[begins[0] :][:6] if begins else lines[-3:]) or f"exit code {done.returncode}"
