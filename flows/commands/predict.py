"""`swath predict`: files in, files out, with the version in service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components.errors import BadParams, UnknownName
from components.settings import load_settings
from flows.commands.flow_files import OfFlow
from flows.commands.models import fetched
from flows.commands.output import console
from flows.commands.series import SeriesOptions, readable
from flows.names import RunName

if TYPE_CHECKING:
    from components.tasks.seam import Spec

FLOW, EVENTS = "flow", "events"


def predict(
    run: Annotated[str, typer.Argument(help="a run, see `swath runs`", autocompletion=RunName.choices)],
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="scenes in the order of the run, GeoTIFF; a series: its folder, or dataset.yaml of a STAC API"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="the file to write; a folder (no suffix): every output")],
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
    metres: Annotated[Path | None, typer.Option(help="file for the flow in metres to the east and north")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="PNG of the middle of the scene: what went in, what came out")
    ] = None,
    points: Annotated[Path | None, typer.Option(help="check points: x y in the first scene, x y in the second")] = None,
    tile_px: Annotated[int, typer.Option(min=64, help="edge of a tile in pixels")] = 512,
) -> None:
    """Predict with the version in service.

    For example:

    - `swath predict change-sandbox before.tif after.tif -o change.tif`
    - `swath predict coregistration-templates s1.tif s2.tif -o registered.tif --flow flow.tif --points check.txt`
    - `swath predict coregistration-s1s2 s1.tif s2.tif -o registered.tif --flow flow.tif --metres m.tif --picture p.png`
    - `swath predict change-sar FOLDER -o out/ --picture out/change.png`
    - `swath predict change-sar FOLDER -o change.tif --looks 4.4 --events events.geojson --also when=when.tif`
    """
    from components.deployment.loading import load_version
    from components.inference.files import predict_file
    from components.inference.rasters import grid_of
    from components.tasks.preview import preview

    of_flow = OfFlow(flow, points, metres)
    options = SeriesOptions(pattern, orbit, unit, looks)
    version = options.declared(load_version(fetched(load_settings(), run)))
    wanted = {each.name: each for each in version.spec.inputs}
    paths = readable(run, version.spec, inputs, options)
    main = output or version.spec.outputs[0].name
    further = _further(version.spec, main, also or (), {FLOW: flow, EVENTS: events})
    if not out.suffix:
        every = _every(version.spec, out)
        out, further = every.pop(main), {**every, **further}
    of_flow.require(inputs[0], grid_of(dict(list(paths.items())[:1])))
    bands = {name: each.bands for name, each in wanted.items()}
    files = {main: out, **further}
    with _unasked(version.spec, files, picture) as unasked, _bar(run) as progress:
        done = predict_file(
            version.method,
            paths,
            out,
            output=main,
            also={**further, **unasked},
            bands=bands,
            resampling=version.spec.resampling,
            tags={"SWATH_RUN": run, "SWATH_VERSION": version.id},
            tile_px=tile_px,
            progress=progress,
        )
        if picture:
            rasters = _rasters(version.spec, {**files, **unasked})
            preview(version.task, paths, rasters, picture, title=run, bands=bands, resampling=version.spec.resampling)
    for line in of_flow.told():
        console.print(line, highlight=False)
    for name, path in {**files, **({"picture of the middle": picture} if picture else {})}.items():
        console.print(f"{path}: {name} of {run}, version {version.id}", highlight=False)
    spent = done.timings
    console.print(
        f"{spent.pixels / 1e6:.2f} megapixels in {spent.total_s:.1f} s ({spent.megapixels_per_s:.2f} a second): read "
        f"{spent.read_s:.1f} s, computed {spent.compute_s:.1f} s, wrote {spent.write_s:.1f} s, "
        f"waited {spent.wait_s:.1f} s; at most {spent.peak_mb:.0f} MB",
        highlight=False,
    )


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


def _every(spec: Spec, folder: Path) -> dict[str, Path]:
    """A file in the folder for each output.

    Raises:
        BadParams: if there is a file in its place.
    """
    if folder.is_file():
        raise BadParams("-o", f"{folder} is a file without a suffix; name a folder, or a file with one")
    suffix = {True: ".geojson", False: ".tif"}
    return {each.name: folder / f"{each.name}{suffix[each.kind == 'features']}" for each in spec.outputs}


def _rasters(spec: Spec, files: Mapping[str, Path]) -> Mapping[str, Path]:
    """The files of outputs that are rasters."""
    return {each.name: files[each.name] for each in spec.outputs if each.kind != "features" and each.name in files}


@contextmanager
def _unasked(spec: Spec, files: Mapping[str, Path], picture: Path | None) -> Iterator[Mapping[str, Path]]:
    """Files for rasters that nobody asked for but the picture shows; they go when it is drawn."""
    if picture is None:
        yield {}
        return
    picture.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{picture.name}.", dir=picture.parent) as folder:
        missing = [each.name for each in spec.outputs if each.kind != "features" and each.name not in files]
        yield {name: Path(folder) / f"{name}.tif" for name in missing}


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar over tiles."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
