"""`swath predict`: files in, files out, with the version in service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components.errors import BadParams, UnknownName
from components.settings import load_settings
from flows.commands.models import fetched
from flows.commands.series import SeriesOptions, readable
from flows.names import RunName

if TYPE_CHECKING:
    from components.tasks.seam import Spec

console = Console()
FLOW, EVENTS = "flow", "events"


def predict(
    run: Annotated[str, typer.Argument(help="a run, see `swath runs`", autocompletion=RunName.choices)],
    inputs: Annotated[list[Path], typer.Argument(help="scenes in the order of the run, GeoTIFF; a series: its folder")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the file to write")],
    output: Annotated[str | None, typer.Option(help="which output; the first one where not said")] = None,
    also: Annotated[list[str] | None, typer.Option(help="a further output and its file, as NAME=FILE")] = None,
    flow: Annotated[Path | None, typer.Option(help="file for the flow; the same as --also flow=FILE")] = None,
    events: Annotated[Path | None, typer.Option(help="file for the events of a series; as --also events=FILE")] = None,
    pattern: Annotated[
        str | None, typer.Option(help="file names of a series, a regular expression: (?P<date>...)")
    ] = None,
    orbit: Annotated[str | None, typer.Option(help="relative orbit of a series, where there are several")] = None,
    unit: Annotated[str | None, typer.Option(help="amplitude, intensity or db, where the files do not say")] = None,
    looks: Annotated[
        str | None, typer.Option(help="equivalent looks of radar scenes, one number or of a series one a band: 4.9,4.4")
    ] = None,
    refine: Annotated[bool, typer.Option(help="match the flow of a network again in windows, see the card")] = False,
    points: Annotated[Path | None, typer.Option(help="check points: x y in the first scene, x y in the second")] = None,
    tile_px: Annotated[int, typer.Option(min=64, help="edge of a tile in pixels")] = 512,
) -> None:
    """Predict with the version in service.

    Examples: `swath predict change-sandbox before.tif after.tif -o change.tif`
    `swath predict coregistration-templates s1.tif s2.tif -o registered.tif --flow flow.tif --points check.txt`
    `swath predict coregistration-pwcnet s1.tif s2.tif -o registered.tif --refine`
    `swath predict change-sar FOLDER -o change.tif --looks 4.4 --events events.geojson --also when=when.tif`
    """
    from components.deployment.loading import load_version
    from components.inference.files import predict_file
    from components.tasks.coregistration.refinement import refined

    if points and not flow:
        raise BadParams("--points", "the residuals of check points are read from the flow; say --flow FILE too")
    options = SeriesOptions(pattern, orbit, unit, looks)
    version = options.declared(load_version(fetched(load_settings(), run)))
    wanted = {each.name: each for each in version.spec.inputs}
    paths = readable(run, version.spec, inputs, options)
    main = output or version.spec.outputs[0].name
    further = _further(version.spec, main, also or (), {FLOW: flow, EVENTS: events})
    with _bar(run) as progress:
        done = predict_file(
            refined(version.method) if refine else version.method,
            paths,
            out,
            output=main,
            also=further,
            bands={name: each.bands for name, each in wanted.items()},
            resampling=version.spec.resampling,
            tags={"SWATH_RUN": run, "SWATH_VERSION": version.id},
            tile_px=tile_px,
            progress=progress,
        )
    if points and flow:
        _print_residuals(points, flow)
    spent = done.timings
    for name, path in {main: out, **further}.items():
        console.print(f"{path}: {name} of {run}, version {version.id}", highlight=False)
    console.print(
        f"{spent.pixels / 1e6:.2f} megapixels in {spent.total_s:.1f} s ({spent.megapixels_per_s:.2f} a second): read "
        f"{spent.read_s:.1f} s, computed {spent.compute_s:.1f} s, wrote {spent.write_s:.1f} s, "
        f"waited {spent.wait_s:.1f} s; at most {spent.peak_mb:.0f} MB",
        highlight=False,
    )


def _print_residuals(points: Path, flow: Path) -> None:
    """How far check points lie from where the flow sends them, before and after.

    Raises:
        BadParams: if the file does not hold four numbers a line.
    """
    import numpy as np

    from components.metrics.flow import check_point_scores, check_points
    from components.raster.io import read_scene

    try:
        table = np.loadtxt(points, ndmin=2)
    except ValueError as error:
        raise BadParams(points, f"not a table of numbers: {error}") from error
    if table.shape[1] != 4:
        raise BadParams(
            points, f"expected x y in the first scene and x y in the second, found {table.shape[1]} columns"
        )
    found = read_scene(flow).array
    for word, field in (("before", np.zeros_like(found)), ("after", found)):
        scores = check_point_scores(check_points(field, table))
        shares = ", ".join(f"{scores[f'within_{px}px'] or 0:.0%} within {px} px" for px in (1, 2, 3))
        console.print(f"{len(table)} check points {word}: RMSE {scores['rmse'] or 0:.2f} px, {shares}", highlight=False)


def _further(spec: Spec, main: str, also: Sequence[str], named: Mapping[str, Path | None]) -> Mapping[str, Path]:
    """The files of further outputs by name.

    Raises:
        BadParams: if an entry is no NAME=FILE.
        UnknownName: if the run has no output of a name; lists those it has.
    """
    found = {name: path for name, path in named.items() if path}
    for entry in also:
        name, _, path = entry.partition("=")
        if not path:
            raise BadParams("--also", f"{entry!r} is no NAME=FILE")
        found[name] = Path(path)
    names = [each.name for each in spec.outputs]
    for name in (main, *found):
        if name not in names:
            raise UnknownName("output", name, names)
    return found


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar over tiles."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
