"""What the arguments of `swath predict` stand for: files, or for a time series a folder of dated files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from components.errors import BadParams, UnknownName
from components.settings import load_settings

if TYPE_CHECKING:
    from components.deployment.loading import LoadedVersion
    from components.inference.rasters import Readable
    from components.tasks.seam import Spec

DECLARATIONS = (".yaml", ".yml")


@dataclass(frozen=True)
class SeriesOptions:
    """How the files of a folder make a series; None where their names and headers say it."""

    pattern: str | None = None
    orbit: str | None = None
    unit: str | None = None
    looks: str | None = None

    def given(self) -> list[str]:
        """The options of files that were given."""
        return [f"--{name}" for name in ("pattern", "orbit", "unit") if getattr(self, name) is not None]

    def declared(self, version: LoadedVersion) -> LoadedVersion:
        """The version told the looks that were given.

        Raises:
            BadParams: if they are no numbers above 0, or cannot be declared to it.
        """
        from components.deployment.looks import with_looks

        if self.looks is None:
            return version
        try:
            looks = [float(text) for text in self.looks.split(",")]
        except ValueError:
            looks = []
        if not looks or not all(0 < each < float("inf") for each in looks):
            raise BadParams("--looks", f"expected numbers above 0 with commas between, found {self.looks!r}")
        return with_looks(version, looks)


def readable(run: str, spec: Spec, paths: Sequence[Path], options: SeriesOptions) -> dict[str, Readable]:
    """The inputs of a run by name, in its order.

    Raises:
        BadParams: if there are too many or too few, or an option does not fit.
        UnknownName: if there is no such unit.
        SwathError: if a folder holds no series, see `components.raster.dated`.
    """
    wanted = {each.name: each.kind for each in spec.inputs}
    if len(wanted) != len(paths):
        kinds = {"stack": "a folder of dated files"}
        names = ", ".join(f"{name}: {kinds[kind]}" if kind in kinds else name for name, kind in wanted.items())
        raise BadParams(run, f"needs {len(wanted)} inputs ({names}), got {len(paths)}")
    if options.given() and "stack" not in wanted.values():
        raise BadParams(run, f"{', '.join(options.given())} is for time series, this run takes scenes; leave it out")
    given: Mapping[str, Path] = dict(zip(wanted, paths, strict=True))
    return {name: _series(path, options) if wanted[name] == "stack" else path for name, path in given.items()}


def _series(folder: Path, options: SeriesOptions) -> Readable:
    from components.raster.dated import dated_stack
    from components.raster.scene import Unit

    if folder.suffix in DECLARATIONS and folder.is_file():
        return _declared(folder, options)
    if folder.is_file():
        raise BadParams(folder, "expected a folder with a file for each date, found a file; give the folder")
    if options.unit is not None and options.unit not in get_args(Unit):
        raise UnknownName("unit", options.unit, get_args(Unit))
    return dated_stack(folder, pattern=options.pattern, orbit=options.orbit, unit=cast("Unit | None", options.unit))


def _declared(path: Path, options: SeriesOptions) -> Readable:
    """The series of the STAC API that a `dataset.yaml` declares; what was fetched is kept in `.swath/downloads`."""
    from components.ingestion.declaration import read_declaration
    from components.ingestion.stac.series import stac_stack

    if options.pattern or options.unit:
        raise BadParams(path, "says names and unit itself; leave --pattern and --unit out")
    declaration = read_declaration(path.parent)
    orbit = options.orbit.strip().upper().lstrip("T") if options.orbit else None
    if orbit is not None and not orbit.isdigit():
        raise BadParams("--orbit", f"expected the number of a relative orbit, found {options.orbit!r}")
    folder = load_settings().home / "downloads" / declaration.name
    return stac_stack(folder, declaration, orbit=None if orbit is None else int(orbit))
