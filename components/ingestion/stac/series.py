"""A radar series from a STAC API: items of one relative orbit, dates from the items, items of one pass side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from components.errors import BadParams, BadScene, SourceUnavailable
from components.ingestion.declaration import Declaration
from components.ingestion.download import Manners, fetch
from components.ingestion.layouts import StacLayout
from components.ingestion.stac.items import Item, Plan, plan_of
from components.ingestion.stac.search import search
from components.ingestion.stac.source import path_of, require_names, signer, wanted_of
from components.raster.scene import Unit
from components.raster.stack_files import SeriesFile, one_orbit
from components.raster.stacks import LEAST_DATES, StackSource, stack_of

ORBIT = "sat:relative_orbit"  # of the STAC extension Satellite
Search = Callable[[StacLayout], Sequence[Item]]


def stac_stack(
    folder: Path,
    declaration: Declaration,
    *,
    orbit: int | None = None,
    least: int = LEAST_DATES,
    manners: Manners | None = None,
    find: Search = search,
) -> StackSource:
    """The series of the items that match, fetched into ``folder`` (`<item>/<asset>.tif`); pixels come by window.

    Only items of the chosen relative orbit (or of the only one) are fetched; what is there is not fetched again.
    Bands are those of ``declaration.image``, which also says the unit. Items that follow within hours are one date,
    side by side on one raster; two of one footprint in one pass are refused.

    Raises:
        BadParams: if the declaration has no such layout, or masks or cloud are asked of radar.
        BadScene: for mixed orbits (names them), an item without orbit or time, a footprint that stands twice in a
            pass, or stored numbers that are not physical ones.
        SourceUnavailable: if the API does not answer, or an asset could not be fetched: no date is lost silently.
        SwathError: as `stacks.stack_of` where files do not make a series.
    """
    layout, image = declaration.layout, declaration.image
    if not isinstance(layout, StacLayout) or image is None:
        raise BadParams(declaration.name, "layout: no STAC API is declared, or no image")
    if layout.mask or layout.max_cloud is not None or image.decibels:
        raise BadParams(declaration.name, "a radar series has no mask and no cloud; say decibels by the unit db")
    known = {_known(item): item for item in find(layout)}
    plans = [(file, plan_of(known[file], image, layout)) for file in one_orbit(list(known), orbit, layout.url)]
    for _, plan in plans:
        require_names(plan)
        _require_physical(plan)
    wanted = [each for _, plan in plans for each in wanted_of(folder, plan)]
    failed = fetch(wanted, sign=signer(layout.sign), manners=manners or Manners(downloads=layout.downloads))
    if failed:
        named = "; ".join(f"{path.parent.name}/{path.name}: {reason}" for path, reason in sorted(failed.items()))
        raise SourceUnavailable(f"{layout.url}: {len(failed)} of {len(wanted)} files could not be fetched ({named})")
    files = [
        SeriesFile(path_of(folder, plan, asset), file.time, asset.band, file.part, file.orbit)
        for file, plan in plans
        for asset in plan.bands
    ]
    return stack_of(
        files, layout.url, unit=cast("Unit", image.unit), bands=[a.band for a in plans[0][1].bands], least=least
    )


def _known(item: Item) -> SeriesFile:
    """When an item was acquired, on which orbit and ground; ``path`` is its id and nothing on a disk.

    Raises:
        BadScene: if it does not say so.
    """
    said, id = item["properties"], str(item["id"])
    moment = said.get("datetime") or said.get("start_datetime")
    if said.get(ORBIT) is None or moment is None:
        missing = ORBIT if moment else "datetime"
        raise BadScene(id, f"has no {missing}", "a series needs to know when and from where; use another collection")
    time = datetime.fromisoformat(moment)
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    ground = " ".join(f"{edge:.5f}" for edge in item.get("bbox") or ())
    return SeriesFile(Path(id), time, None, ground or id, str(said[ORBIT]))


def _require_physical(plan: Plan) -> None:
    """Nothing where stored numbers are values: windows are read as they are stored.

    Raises:
        BadScene: if a band has a scale or an offset.
    """
    for band in plan.bands:
        if band.radiometry and (band.radiometry.scale, band.radiometry.offset) != (1.0, 0.0):
            reason = f"{band.band} is stored with scale {band.radiometry.scale:g} and offset {band.radiometry.offset:g}"
            raise BadScene(plan.id, reason, "ingest its items as scenes, which applies them")
