"""`swath demo`: the main job on the sandbox territory, from scenes to a served answer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from components.errors import ServiceUnavailable
from components.settings import load_settings
from flows.commands import stack
from flows.commands.follow import run_and_follow
from flows.commands.output import console
from flows.stack.state import read_state

RUN, FRESH_SEED, SHAPE = "change-sandbox", 20_260_101, (384, 384)  # a place that no dataset holds


def demo() -> None:
    """Start the stack, bring `change-sandbox` from data to service through Prefect, ask the endpoint, draw, stop.

    Example: `swath demo`
    """
    began = time.monotonic()
    folder = load_settings().home / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    with _stack():
        settings = load_settings()
        _say("1/3", f"lifecycle of {RUN}: simulate, check labels, train, evaluate, decide, deploy")
        result: dict[str, Any] = run_and_follow("lifecycle", {"run": RUN})
        _say("2/3", f"asking {settings.service_url}/change about a scene that it has never seen")
        _ask(settings.service_url, folder)
        _say("3/3", "collecting the pictures of the evaluation")
        reports = settings.home / "reports" / RUN
        shutil.copytree(reports, folder / "reports", dirs_exist_ok=True)
    version = result["deployed"]["version"]
    console.print(
        f"\n[bold green]done in {time.monotonic() - began:.0f} s[/]: version {version} of {RUN} was in service"
    )
    for path, what in (
        (folder / "answer.png", "the served change map beside the truth"),
        (folder / "change.tif", "the same as a GeoTIFF with class names and the version in its tags"),
        (folder / "reports", "training curve, test places, intervals"),
    ):
        console.print(f"  {path}  {what}", highlight=False)
    console.print(f"  git show {result['scored']['commit']}  the commit of this run", highlight=False)
    console.print("these are sandbox scores; `swath up` starts the stack again", highlight=False)


@contextmanager
def _stack() -> Iterator[None]:
    """The stack for the length of the demo; one that is up already is used and left up."""
    mine = read_state(load_settings().home) is None
    if mine:
        stack.up(detach=True)
    try:
        yield
    finally:
        if mine:
            stack.down()


def _say(step: str, text: str) -> None:
    console.print(f"[bold]{step}[/] {text}", highlight=False)


def _ask(url: str, folder: Path) -> None:
    from components.pictures.draw import save_picture
    from components.raster.cog import write_scene
    from components.raster.io import read_scene
    from components.simulation.optical import optical_pair
    from components.tasks import load_run
    from components.tasks.change.chips import change_of
    from components.tasks.seam import Sample

    pair = optical_pair(FRESH_SEED, SHAPE)
    for name, scene in (("before", pair.before), ("after", pair.after)):
        write_scene(scene, folder / f"{name}.tif")
    with (folder / "before.tif").open("rb") as before, (folder / "after.tif").open("rb") as after:
        answer = httpx.post(f"{url}/change", files={"before": before, "after": after}, data={"run": RUN}, timeout=120)
    if answer.is_error:
        raise ServiceUnavailable(f"{url}/change answered {answer.status_code}: {answer.text[:300]}")
    (folder / "change.tif").write_bytes(answer.content)
    change = read_scene(folder / "change.tif")
    task, _ = load_run(RUN)
    truth = change_of(pair.change, None)  # the territory knows kinds of change, the run only that there is one
    sample = Sample("fresh", "fresh", {"before": pair.before, "after": pair.after}, {"change": truth})
    save_picture(task.draw(sample, {"change": change}), folder / "answer.png")
