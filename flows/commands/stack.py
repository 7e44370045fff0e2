"""`swath up`, `down`, `status`, `doctor`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Annotated

import psutil
import typer
from rich.table import Table

from components.errors import ServiceUnavailable
from components.settings import load_settings
from flows.commands.output import console
from flows.stack.state import Entry, StackState, read_state

DOWN_WITHIN_S = 60.0


def up(
    detach: Annotated[bool, typer.Option(help="start in the background and return when everything is ready")] = False,
) -> None:
    """Start the embedded stack: object store, Prefect, agents, reports, service.

    Examples: `swath up` (until Ctrl-C), `swath up --detach` (then `swath down`).
    """
    if detach:
        _detached()
        return
    from flows.stack.supervisor import Supervisor

    with Supervisor(load_settings(), _line) as stack:
        stack.start()
        console.print("[bold]ready[/]: open the Prefect UI above; Ctrl-C stops everything")
        stack.watch()
        console.print("stopping, agents first")


def down() -> None:
    """Stop the embedded stack of this project.

    Example: `swath down`
    """
    state = read_state(load_settings().home)
    if state is None:
        console.print("nothing is up")
        return
    supervisor = psutil.Process(state.pid)
    os.kill(state.pid, signal.SIGTERM)
    try:
        supervisor.wait(DOWN_WITHIN_S)
    except psutil.TimeoutExpired as error:
        raise ServiceUnavailable(f"the supervisor {state.pid} did not stop within {DOWN_WITHIN_S:.0f} s") from error
    console.print("stopped")


def status() -> None:
    """Say which services are up, where, and how much memory they hold. Exit code 3 where nothing is up.

    Example: `swath status`
    """
    state = read_state(load_settings().home)
    if state is None:
        console.print("nothing is up; start it with `swath up`")
        raise typer.Exit(3)
    table = Table("service", "URL", "pid", "ready after", "memory (PSS)")
    for entry in state.services:
        table.add_row(entry.name, entry.url, str(entry.pid), f"{entry.seconds:.1f} s", f"{memory_mb(entry.pid):.0f} MB")
    console.print(table)
    console.print(f"{'ready' if state.ready else 'starting'}, {total_memory_mb(state):.0f} MB in all")


def doctor() -> None:
    """Say what is wrong with this installation and how to mend it. Exit code 1 where something is.

    Example: `swath doctor`
    """
    from flows.stack.doctor import findings

    wrong = 0
    for finding in findings(load_settings()):
        console.print(f"[{'green' if finding.good else 'red'}]{'ok' if finding.good else 'no'}[/]  {finding.text}")
        wrong += not finding.good
    raise typer.Exit(1 if wrong else 0)


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and its children in MB."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for member in family:
        try:
            total += member.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 1e6


def total_memory_mb(state: StackState) -> float:
    """Proportional set size of the supervisor and everything that it started, in MB."""
    own = psutil.Process(state.pid).memory_full_info().pss / 1e6
    return float(own + sum(memory_mb(entry.pid) for entry in state.services))


def _line(entry: Entry) -> None:
    console.print(f"[green]ready[/]  {entry.name:<10} {entry.url}  ({entry.seconds:.1f} s)", highlight=False)


def _detached() -> None:
    home = load_settings().home
    if read_state(home):
        raise ServiceUnavailable("a stack of this project is already up; see `swath status`")
    (home / "logs").mkdir(parents=True, exist_ok=True)
    log = home / "logs" / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "up"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    shown = 0
    while process.poll() is None:
        state = read_state(home)
        for entry in state.services[shown:] if state else ():
            _line(entry)
            shown += 1
        if state and state.ready:
            return
        time.sleep(0.3)
    raise ServiceUnavailable(f"the stack did not come up: {log.read_text().strip().splitlines()[-1:]}; read {log}")
